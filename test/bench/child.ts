import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { statOf } from './process.ts'

export interface Child {
  /** The first thing it told: that it is ready, and where. */
  readonly told: unknown
  /** Resident memory in MB. */
  memory(): number
  /** Seconds of processor time so far. */
  cpu(): number
  stop(): Promise<void>
}

/** A program of this folder as a process of its own; resolves with the first message it sends to us. */
export async function startChild(file: string, env: Readonly<Record<string, string>>, flags: readonly string[] = []): Promise<Child> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: ['--conditions=development', '--v8-pool-size=0', ...flags],
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const told = await Promise.race([
    once(child, 'message').then(([message]: unknown[]) => ({ message })),
    ended.then(() => {
      throw new Error(`${file} ended before it was ready`)
    }),
  ])
  return {
    told: told.message,
    memory: () => statOf(child).memory,
    cpu: () => statOf(child).cpu,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** The most memory of a process, in MB, from now until it is asked for. A process that ended is told then. */
export function watchMemory(one: Pick<Child, 'memory'>): { most(): number } {
  let most = one.memory()
  let failure: unknown
  const timer = setInterval(() => {
    try {
      most = Math.max(most, one.memory())
    } catch (error) {
      failure = error
      clearInterval(timer)
    }
  }, 100)
  return {
    most() {
      clearInterval(timer)
      if (failure) throw new Error('the process that was watched has ended', { cause: failure })
      return most
    },
  }
}
