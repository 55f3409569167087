import type { Envelope } from '@rondo/kernel'

/** A place in what was read of a topic, as in `Checkpoint`. */
export interface ReadPlace {
  readonly source: string
  readonly partition: number
  readonly position: number
}

/** What a view was made of beside the ledger's own facts. */
export interface ForeignWanted {
  /** Facts, by their type without version. */
  readonly types: readonly string[]
  /** How far each partition was read. */
  readonly read: readonly ReadPlace[]
  /** Records that were read and not applied: they wait behind a parked key, or were skipped. */
  readonly left: readonly ReadPlace[]
}

/** Gives facts of other services once more: each of the wanted that was applied, once, in the order of its partition, one at a time. */
export type ForeignFacts = (wanted: ForeignWanted, each: (event: Envelope) => Promise<void>) => Promise<void>

/** Some of what was read is not there any more; the message says what and what helps. */
export class ForeignMissing extends Error {
  override readonly name = 'ForeignMissing'
}
