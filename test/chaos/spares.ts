import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import type { Spawn } from '../rig/processes.ts'

/** The services that are not killed one by one, in one process: each start costs half a second of a core. */
export const severalServices = ['builds', 'releases', 'feedback'] as const

/** So many are loaded, or being loaded, at any time: a host’s, and one more. */
const kept = 4

function spawnSpare(): ChildProcess {
  const { RONDO_TOKEN: _, NODE_OPTIONS: __, ...inherited } = process.env
  return spawn(process.execPath, ['--conditions=development', '--import', '@rondo/runtime/register', 'chaos/spare.ts'], {
    cwd: join(repositoryRoot(), 'test'),
    env: inherited,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
}

export interface Spares {
  /** The one that has waited longest becomes this service; another one is loaded in its place. */
  readonly take: Spawn
  /** From now on, that is: those who start first have the machine for themselves. */
  refill(): void
  end(): void
}

/**
 * Processes that have loaded Rondo and wait to be told who they are, as a supervisor with a warm pool has them: who was killed is back when
 * it has connected, and not only when it is loaded, which takes most of a start on a busy machine. `first`: so many are taken at the beginning.
 */
export function keepSpares(first: number): Spares {
  const waiting = Array.from({ length: first }, spawnSpare)
  let wanted = 0
  const fill = () => {
    while (waiting.length < wanted) waiting.push(spawnSpare())
  }
  return {
    take(service, env) {
      const spare = waiting.shift() ?? spawnSpare()
      fill()
      // What is sent before it listens waits for it; where it has died, whoever waits for its answer finds out
      spare.send({ services: service === 'several' ? severalServices : [service], env }, () => undefined)
      return spare
    },
    refill() {
      wanted = kept
      fill()
    },
    end() {
      wanted = 0
      for (const spare of waiting.splice(0)) spare.kill('SIGKILL')
    },
  }
}
