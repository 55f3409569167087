import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Controlled, messageOf } from './engine.ts'
import { eventually } from './eventually.ts'
import { forgetPid, recordPid } from './run-folder.ts'

/** How one engine runs as a plain process. */
export interface Program {
  readonly name: string
  /** The run's folder, where its process id is kept. Its path has to stand in the command line. */
  readonly runFolder: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly env?: Readonly<Record<string, string>>
  readonly address: string
  readonly stopSignal: NodeJS.Signals
  /** Rejects until the engine answers; resolves with its version. */
  answers(): Promise<string>
  /** Milliseconds. */
  readonly startWithin: number
}

interface Running {
  readonly pid: number
  readonly ended: Promise<unknown>
  exitCode(): number | NodeJS.Signals | null
  signal(signal: NodeJS.Signals): void
}

const logOf = (program: Program): string => join(program.cwd, `${program.name}.log`)

function endOfLog(program: Program): string {
  const file = logOf(program)
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-8).join('\n') : ''
}

function spawnProgram(program: Program): Running {
  const log = openSync(logOf(program), 'a')
  const child = spawn(program.command, program.args, {
    cwd: program.cwd,
    // A group of its own: Ctrl-C reaches the test run, which then stops the engines in its order.
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...program.env },
    ...program.user,
  })
  closeSync(log)
  // A program that cannot be started has no pid: told below.
  const ended = once(child, 'exit').catch(() => undefined)
  const { pid } = child
  if (pid === undefined) throw new Error(`${program.command} could not be started`)
  child.unref()
  recordPid(program.runFolder, pid, program.name)
  return { pid, ended, exitCode: () => child.exitCode ?? child.signalCode, signal: (signal) => void child.kill(signal) }
}

async function startedProgram(program: Program): Promise<{ running: Running; version: string }> {
  const running = spawnProgram(program)
  try {
    const found = await eventually(
      async () => {
        const exit = running.exitCode()
        if (exit !== null) return { failed: `it ended with ${exit}` }
        return { version: await program.answers() }
      },
      { within: program.startWithin, every: 50 },
    )
    if (found.failed !== undefined) throw new Error(found.failed)
    return { running, version: found.version ?? 'unknown' }
  } catch (error) {
    running.signal('SIGKILL')
    forgetPid(program.runFolder, running.pid)
    throw new Error(`${program.name} did not start: ${messageOf(error)}\n${endOfLog(program)}`, { cause: error })
  }
}

async function endProgram(program: Program, running: Running, signal: NodeJS.Signals): Promise<void> {
  if (running.exitCode() === null) {
    running.signal('SIGCONT') // a frozen process hears nothing but this
    running.signal(signal)
    const patience = setTimeout(() => running.signal('SIGKILL'), 15_000)
    await running.ended
    clearTimeout(patience)
  }
  forgetPid(program.runFolder, running.pid)
}

/** Starts the program and waits until it answers. */
export async function controlled(program: Program): Promise<Controlled> {
  let { running, version } = await startedProgram(program)
  return {
    address: program.address,
    get version() {
      return version
    },
    get pid() {
      return running.pid
    },
    get runs() {
      return running.exitCode() === null
    },
    stop: () => endProgram(program, running, program.stopSignal),
    kill: (signal = 'SIGKILL') => endProgram(program, running, signal),
    async start() {
      if (running.exitCode() === null) throw new Error(`${program.name} already runs (pid ${running.pid})`)
      ;({ running, version } = await startedProgram(program))
    },
    freeze: () => running.signal('SIGSTOP'),
    thaw: () => running.signal('SIGCONT'),
  }
}
