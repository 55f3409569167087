import type { Envelope, Instant, Message } from '@rondo/kernel'
import type { Projection, Read, Sql } from '@rondo/reaction'
import type { CommitListener } from './commits.ts'
import type { EpochStart } from './epoch.ts'
import type { Rests } from './rests.ts'
import type { Chained, KnownMessage } from './store.ts'

/** Who, when and why: what every event of a unit carries. */
export interface Cause {
  /** When it happened; absent: now, by the database's clock (an ask). */
  readonly at?: Instant | undefined
  readonly actor: string
  readonly correlationId: string
  readonly causationId: string
  readonly traceparent?: string | undefined
}

/** How far a partition of a source was read. Compare-and-set: it moves from `previous` to `position` or the unit is not committed. */
export interface Checkpoint {
  /** Topic and its incarnation. */
  readonly source: string
  readonly partition: number
  readonly previous: number
  readonly position: number
  /** The bus's offset after this record, where reading goes on. */
  readonly nextOffset: bigint
}

/** A parked record that is applied after all, and who wants that and why: kept with the decision. */
export interface Retried {
  readonly source: string
  readonly partition: number
  readonly key: string
  readonly position: number
  readonly eventId: string
  readonly actor: string
  readonly why: string
}

/** Committed together or not at all. */
export interface Unit {
  /** The message's id: the same id and hash again changes nothing; another hash is refused (`id_reused`). */
  readonly id: string
  readonly hash: string
  /** Whether id and hash are kept (asks, intake, timers); facts of another ledger are known by their watermark. */
  readonly remember: boolean
  /** None, and nothing else that it does: what became of its id is asked; `conflict` where that is not known (any more). */
  readonly messages: readonly Message[]
  readonly cause: Cause
  readonly checkpoint?: Checkpoint
  /**
   * Messages without an effect that came by the checkpoint: from now on they are known, each by its own id, as units of their own would be.
   * Where one was known with another hash, nothing of the unit is done (`id_reused`).
   */
  readonly noted?: readonly Noted[]
  /** Taken away from what waits; where it does not wait any more the unit is not committed (`NotParked`). */
  readonly parked?: Retried
  /** Foreign facts for views. */
  readonly projections?: readonly { readonly projection: Projection; readonly event: Envelope }[]
  /** Rows of the service's own tables that are no events; not run for a refusal or a repetition. */
  readonly beside?: (sql: Sql) => Promise<void>
  /** What its messages rest on that was not looked up: where that is not so, they are made again by `again`, which must be given then. */
  readonly rests?: Rests | undefined
  /** Runs the reaction (or ask) again from its read: after a lost unique key or conflict. */
  readonly again?: () => Promise<readonly Message[]>
}

export type Noted = Pick<Unit, 'id' | 'hash'>

export interface Applied {
  readonly duplicate: boolean
  /** How many of those that the unit notes were known before. */
  readonly repeated?: number
  /** What each message wrote (empty: nothing to do), and its stream's version now. */
  readonly results: readonly { readonly streamId: string; readonly version: number; readonly events: readonly Envelope[] }[]
}

export interface Guessing {
  readonly read: Read
  /** The same, looked up: for who has guessed wrongly, and learns of it. */
  readonly again: Read
  /** What the answers so far rest on: of the unit that is made of them. Undefined: all were looked up. */
  readonly rests: () => Rests | undefined
}

export interface ParkedKey {
  readonly source: string
  readonly partition: number
  readonly key: string
  readonly reason: string
  readonly since: Instant
  readonly waiting: number
}

/** A stream's events up to a version; absent: all. */
export interface UpTo {
  readonly stream: string
  readonly streamId: string
  readonly upTo?: number
}

export interface Ledger {
  /** Resolves when durable. Rejects with a DomainError: the refusal, `id_reused`, `conflict` after bounded tries, `unavailable`. */
  submit(unit: Unit): Promise<Applied>
  readonly read: Read
  /**
   * For one reaction: reads that are answered by what this process knows, where it does. `asker`: who reads, as what comes true for one
   * need not for another: whoever hears of a new thing nearly always finds nothing yet, whoever hears of what became of it always does.
   */
  guessing(asker: string): Guessing
  readonly sql: Sql
  /** Gapless, in commit order, after `position`. */
  events(after: number, limit: number, filter?: { readonly types?: readonly string[] }): Promise<readonly Envelope[]>
  /** As `events`, each with what stands before it in its partition. */
  chained(after: number, limit: number): Promise<readonly Chained[]>
  /** The last position, the epoch (raised by a restore), and where each began. */
  head(): Promise<{ readonly position: number; readonly epoch: number; readonly raised: readonly EpochStart[] }>
  /** Everything that belongs to the turn, in order: events that carry the loop id, and the whole of each stream that ever did. */
  history(loopId: string, limit: number): Promise<readonly Envelope[]>
  /** For spans: of each stream, the traceparent of its newest event that has one, and another than `own`. In no order. */
  tracesBefore(streams: readonly UpTo[], own: string): Promise<readonly string[]>
  /** Calls back after commits of this process and (coalesced) of others. */
  onCommit(listener: CommitListener): () => void
  checkpoint(source: string, partition: number): Promise<{ position: number; nextOffset: bigint } | undefined>
  /** Of all sources and partitions that were read. */
  checkpoints(): Promise<readonly { readonly source: string; readonly partition: number; readonly position: number }[]>
  /**
   * Stores a record that could not be applied, with its key and all that follow under this key, and moves the checkpoint. False: it is
   * intake (it has a hash) that was delivered before, and was applied or waits there already: only the checkpoint moves.
   */
  park(
    record: { readonly key: string; readonly event: Envelope; readonly reason: string; readonly hash?: string | undefined },
    checkpoint: Checkpoint,
  ): Promise<boolean>
  parkedKeys(): Promise<readonly ParkedKey[]>
  /** Without partition: in any, and under any epoch of the source's topic. */
  isParked(source: string, partition: number | undefined, key: string): Promise<boolean>
  /** What became of a message id: for receipts. */
  known(id: string): Promise<KnownMessage | undefined>
  /** Of those of the ids that are known. */
  knownOf(ids: readonly string[]): Promise<ReadonlyMap<string, KnownMessage>>
  close(): Promise<void>
}
