import type { Replicated } from '@rondo/testkit/launch'
import type { Fleet } from './fleet.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'
import type { Call, History } from './told.ts'

export const killKinds = ['service', 'backend', 'server', 'broker'] as const
export type KillKind = (typeof killKinds)[number]

export interface Kill {
  readonly kind: KillKind
  readonly victim: string
  /** Milliseconds of this process's clock. */
  readonly at: number
  /** Calls that were under way to it or to its engine. None: the kill does not count. */
  readonly inFlight: number
}

/** One after the other: two at one server would be in each other's way. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve()

  take<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#last.then(work)
    this.#last = mine.catch(() => undefined) // told to whoever took it
    return mine
  }
}

/** Everything that a fault may touch. */
export interface Stage {
  readonly engines: Replicated
  /** The owner's URL of Rondo's database. */
  readonly database: string
  readonly fleet: Fleet
  readonly history: History
  readonly random: Random
  readonly kills: Kill[]
  /** How often each of the other faults happened. */
  readonly others: Map<string, number>
  /** Whoever stops or fills the PostgreSQL server, or the brokers. */
  readonly turns: { readonly server: Turn; readonly brokers: Turn }
  /** How many events of intake are still to be read, when it was last looked (with nobody who sends many, 0); whether they are waited for. */
  readonly intake: { behind: number; resting: boolean }
  /** Whether PostgreSQL answers, as far as those know who stop it: who is to be started waits for it, as a supervisor would. */
  readonly server: { answers: boolean }
  /** How often a process is killed although one of the other side is gone. */
  readonly bothDown: number
  /** How often the server is stopped although some process is just starting. */
  readonly amidStarts: number
  /** Whether there is a copy of PostgreSQL to go back to. */
  readonly backup: { taken: boolean }
  readonly say: (text: string) => void
  readonly timeline: Timeline
}

/** What callers wait for where the service answers them (the gateway's own ledger and all brokers: intake). */
export const callsOf =
  (service: string) =>
  ({ target }: Call): boolean =>
    target === service || (service === 'gateway' && target === 'intake')

/** Of the faults that are no kills. */
export function count({ others }: Stage, what: string, times = 1): void {
  others.set(what, (others.get(what) ?? 0) + times)
}
