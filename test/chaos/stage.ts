import type { Replicated } from '@rondo/testkit/launch'
import type { Fleet } from './fleet.ts'
import type { Random } from './random.ts'
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
  readonly say: (text: string) => void
}

/** What callers wait for where the service answers them (the gateway's own ledger and all brokers: intake). */
export const callsOf =
  (service: string) =>
  ({ target }: Call): boolean =>
    target === service || (service === 'gateway' && target === 'intake')

/** Of the faults that are no kills. */
export function count({ others }: Stage, what: string): void {
  others.set(what, (others.get(what) ?? 0) + 1)
}
