import { runProgram } from './program.ts'

/** How long what was interrupted may take to let go. */
const letGoMs = 300

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
// `rondo tail | head` is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

process.exitCode = await runProgram(process.argv.slice(2), interrupted.signal)
if (interrupted.signal.aborted) setTimeout(() => process.exit(), letGoMs)
