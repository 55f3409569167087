import type { Envelope, Instant } from '@rondo/kernel'
import type { Sql, View } from '@rondo/reaction'
import type { Archiving } from './archive/port.ts'
import type { CheckpointRow } from './batch.ts'
import type { DraftEvent } from './decision.ts'
import type { Changes, TimerRow } from './derived.ts'
import type { EpochStart } from './epoch.ts'
import type { ForeignFacts } from './foreign.ts'
import type { AcceptedGap } from './gaps.ts'
import type { ParkedRecord } from './parking.ts'
import type { Checkpoint, ParkedKey, Retried, UpTo } from './port.ts'
import type { LedgerRules } from './rules.ts'
import type { HeadRow, Seen, StoredMessage, StoredOutcome } from './storage.ts'

/*
 * What the ledger needs of the database under it. Behind it are rows, their constraints and one clock; what is decided on them, and in
 * which order, stands before it and is the same for every store. A store rejects with errors that carry a SQLSTATE as `code` (see
 * failure.ts), or the driver's words for a connection that broke: then it is not known whether the statement was done.
 */

/** What a batch is decided on, by the keys of streams (`stream/id`), ids of messages, chains of checkpoints. */
export interface Wanted {
  readonly streams: readonly string[]
  readonly messages: readonly string[]
  readonly chains: readonly { readonly source: string; readonly partition: number }[]
}
export interface LoadedRows {
  /** By the store's clock, as every time in it. */
  readonly now: Instant
  readonly partitions: number
  readonly seen: Seen
  readonly streams: readonly HeadRow[] | null
  readonly messages: readonly StoredMessage[] | null
  readonly checkpoints: readonly { readonly source: string; readonly partition: number; readonly position: number }[] | null
}

export interface StreamRow {
  readonly stream: string
  readonly id: string
  /** The version that must be stored; 0: none. */
  readonly base: number
  readonly version: number
  readonly fold: number
  readonly state: unknown
  readonly phase: string | undefined
  readonly first_at: Instant
  readonly last_at: Instant
}
/** What a batch rests on that was not loaded for it, beside the rows that it writes. */
export interface Guess {
  /** Must have been so within the last second, by the store's clock; undefined: nobody asked for it. */
  readonly now: Instant | undefined
  /** How it stood when its streams were read: the last event is to be there still, and no state set right since. */
  readonly seen: readonly Seen[]
  /** Streams that it looked at and does not write, with the version that must be stored; 0: none. */
  readonly read: readonly ReadRow[]
  /** Who holds a value, of those that were not looked up. */
  readonly held: readonly HeldBy[]
}
/** All streams that hold a value, by their ids in their order. */
export interface HeldBy {
  readonly stream: string
  readonly name: string
  readonly value: string
  readonly ids: readonly string[]
}
export type ReadRow = Pick<StreamRow, 'stream' | 'id' | 'version' | 'fold'>

type Some<Rows> = { readonly [Name in keyof Rows]: Rows[Name] | undefined }

/** All that a batch writes, once: rows that must be as they were loaded, and what takes their place. Absent: nothing of this kind. */
export interface AppendRows {
  /** False: it is nobody's loss where the server ends before it is on the disk, so that it need not wait for that. */
  readonly durable: boolean
  readonly streams: readonly StreamRow[] | undefined
  /** In the order of their positions. */
  readonly events: readonly DraftEvent[] | undefined
  readonly derived: Some<Changes> & {
    /** The partition plan that the events were placed by. */
    readonly partitions: number
    /** By kind of stream. */
    readonly folds: Readonly<Record<string, number>>
    readonly guess: Some<Guess> | undefined
  }
  readonly intake: Some<{
    messages: readonly { readonly id: string; readonly hash: string; readonly days: number; readonly outcome: StoredOutcome }[]
    checkpoints: readonly CheckpointRow[]
    counted: readonly { readonly id: string; readonly duplicates: number; readonly conflicts: number }[]
    fired: readonly TimerRow[]
    /** Parked records that are taken away, with who decided so. */
    parked: readonly Retried[]
  }>
}

/** The last position before the batch, and when it was recorded. */
export interface Written {
  readonly position: number
  readonly recordedAt: Instant
  /** How the ledger stood in that moment. Absent where the reply was lost. */
  readonly before?: {
    readonly epoch: number
    /** As in `Seen`. */
    readonly repaired: number
    /** The last position in each partition. */
    readonly tails: readonly number[]
    /** The last position that was placed by the partition plan before; -1: there was none. */
    readonly planned: number
    /** As in `Chaining`. */
    readonly marked: number
    /** Of the last event before the batch; absent: there is none. */
    readonly recordedAt?: Instant | null
    readonly incarnation: string
  }
}

/** What other writers had done since the batch was loaded. */
export interface Lost {
  readonly streams?: readonly (readonly [stream: string, id: string])[]
  readonly messages?: readonly string[]
  readonly checkpoints?: readonly (readonly [source: string, partition: number])[]
  readonly keys?: readonly (readonly [stream: string, name: string, value: string, holder: string])[]
  readonly timers?: readonly (readonly [stream: string, id: string, tell: string, due: string])[]
  readonly parked?: readonly (readonly [source: string, partition: number, key: string, position: number])[]
}

export interface Writing {
  load(wanted: Wanted): Promise<LoadedRows>
  /**
   * Writes all of it or nothing. Rejects with RL001 and a `Lost` as JSON in `detail` where a row is not as it was loaded (one that names
   * nothing: what was guessed is wrong), RL002 where a higher fold has taken over, RL003 where the plan is another. `project` runs before the commit and is part of it.
   */
  append(rows: AppendRows, project?: (sql: Sql, written: Written) => Promise<void>): Promise<Written>
  findEvent(event: {
    readonly id: string
    readonly stream: string
    readonly streamId: string
    readonly version: number
  }): Promise<{ readonly position: number; readonly recordedAt: Instant } | undefined>
  /** Those of the ids that are known. */
  findMessages(ids: readonly string[]): Promise<ReadonlyMap<string, KnownMessage>>
  /** Of outcomes whose time is over, at most so many; how many. */
  forgetOld(limit: number): Promise<number>
}
export interface KnownMessage {
  readonly hash: string
  readonly outcome: StoredOutcome
  readonly at: Instant
  readonly duplicates: number
  readonly conflicts: number
}

/** A page of a kind of streams, by the time of the first fact. */
export interface Listing {
  readonly phase: string | undefined
  readonly keys: Readonly<Record<string, string>>
  readonly direction: 'asc' | 'desc'
  /** Exactly where the page before ended. */
  readonly after: { readonly at: Instant; readonly id: string } | undefined
  readonly limit: number
}

/** Streams by their keys (`stream/id`), and those that hold values under a name. */
export interface Sought {
  readonly keys: readonly string[]
  readonly held: readonly { readonly stream: string; readonly name: string; readonly value: string }[]
}
export interface FoundRows {
  /** Each stream once, by its key. */
  readonly rows: readonly HeadRow[]
  /** Of each of `held`: the keys of the streams that hold it. */
  readonly holders: readonly (readonly string[])[]
  readonly seen: Seen
}

export interface Reading {
  find(sought: Sought): Promise<FoundRows>
  page(stream: string, listing: Listing): Promise<readonly HeadRow[]>
  /** Of one stream, with versions above `after` up to `upTo`, in their order. */
  streamEvents(stream: string, id: string, after: number, upTo: number): Promise<readonly Envelope[]>
  eventsAfter(position: number, limit: number, types?: readonly string[]): Promise<readonly Envelope[]>
  /** All events behind a position, each with what stands before it in its partition. */
  chainedEvents(position: number, limit: number): Promise<readonly Chained[]>
  loopHistory(loopId: string, limit: number): Promise<readonly Envelope[]>
  tracesBefore(streams: readonly UpTo[], own: string): Promise<readonly string[]>
  checkpoint(source: string, partition: number): Promise<{ readonly position: number; readonly nextOffset: bigint } | undefined>
  /** Up to where each partition was read. */
  checkpoints(): Promise<readonly { readonly source: string; readonly partition: number; readonly position: number }[]>
  readonly sql: Sql
}

/** What stands before an event in its partition. */
export interface Chained {
  readonly event: Envelope
  /** The position before it in its partition; 0: none. */
  readonly previous: number
  /** It is the first of a new plan in its partition: what has to be read before it, by partition (0: nothing). */
  readonly after?: readonly number[]
}
/** Which ledger it is. */
export interface History {
  readonly epoch: number
  /** Of the server and the tables: a copy that takes the place of a ledger has another one. */
  readonly incarnation: string
}

export interface Standing extends History {
  readonly position: number
  readonly raised: readonly EpochStart[]
  /** The last position in each partition. */
  readonly tails: readonly number[]
}

/** As `Chaining`, of what this process has written itself. */
export interface Fresh extends Chaining {
  /** Milliseconds of the process's clock: when the statement was sent. How the ledger stood was seen after that. */
  readonly at: number
  /** When the event before it was recorded, as the ledger said in the transaction that wrote this; undefined: there is none. */
  readonly behind: Instant | undefined
}

/** What is to be sent, in position order, and how the ledger stood when it was read or written. */
export interface Chaining extends History {
  readonly batch: readonly Chained[]
  /** Up to where everything was sent. */
  readonly marked: number
}

export interface Lease extends History {
  /** Up to where everything was sent; undefined: another one holds it. */
  readonly sent: number | undefined
  /** The last position of the ledger. */
  readonly head: number
}

/** An event as it was sent. */
export type Sent = Pick<Envelope, 'position' | 'id' | 'recordedAt'>
/** What was sent, behind `from`. */
export interface SentRange {
  readonly from: number
  readonly to: Sent
}

export interface Relaying {
  standing(): Promise<Standing>
  /**
   * What comes behind the position (what was sent may lie elsewhere by now); none where the ledger is not the one that is known, as which it
   * is given back. Where nothing was found `marked` is the position asked for.
   */
  chainedAfter(position: number, limit: number, known: History): Promise<Chaining>
  /** Takes or keeps the lease for so many seconds, where no other one holds it. Does not wait for the disk: a lease that is lost is asked for anew. */
  holdLease(topic: string, holder: string, seconds: number): Promise<Lease>
  /**
   * Everything up to `to` was sent, never less than before; where the holder says so it keeps the lease (`kept`). Not `marked` where less than
   * `from` was marked or another event stands at `to`: this is not the ledger that was sent. Does not wait for the disk: what is marked anew
   * after a crash is sent twice. Where it was marked the listeners of other processes are told so, as by `wake`.
   */
  markSent(topic: string, holder: string, range: SentRange, seconds: number): Promise<{ readonly marked: boolean; readonly kept: boolean }>
  leaveLease(topic: string, holder: string): Promise<void>
  /**
   * Begins an epoch above the given one, too. What was recorded up to `shared` lies in both histories and keeps its epoch; what came later is
   * of the new one. Absent: all that is there is shared.
   */
  raiseEpoch(above: number, shared?: Instant): Promise<number>
}

export type Woken = (position: number, isSent: boolean) => void

export interface Waking {
  /** Tells the listeners of other processes that the ledger has grown. */
  wake(position: number): Promise<void>
  /** Calls back when others say so, as well as it can, `isSent`: everything up to there was sent, too. The returned function ends it. */
  listen(woken: Woken): () => Promise<void>
}

type ParkedName = Pick<ParkedKey, 'source' | 'partition' | 'key'>

export interface Parking {
  parkedKeys(): Promise<readonly ParkedKey[]>
  /** Of a ledger's topic (`topic#epoch`) under any epoch. Without partition: in any. */
  isParked(key: Omit<ParkedName, 'partition'> & { readonly partition: number | undefined }): Promise<boolean>
  /** Oldest first. */
  parkedRecords(key: ParkedName): Promise<readonly ParkedRecord[]>
  /** Whether it was taken away because it was applied. */
  wasApplied(record: Retried): Promise<boolean>
  /** Runs statements in one transaction that first locks the head row (all who move a checkpoint do) or a parked key. */
  transaction<T>(lock: 'head' | ParkedName, work: (tx: Transaction) => Promise<T>): Promise<T>
}
export interface Transaction {
  checkpoint(source: string, partition: number): Promise<{ readonly position: number } | undefined>
  moveCheckpoint(checkpoint: Omit<Checkpoint, 'previous'>): Promise<void>
  /** Of which partition the key of a stream is parked. */
  parkedPartition(source: string, key: string): Promise<number | undefined>
  /** The first reason of a key stays. */
  insertParkedKey(key: ParkedName, reason: string): Promise<void>
  countParked(key: ParkedName): Promise<number>
  /** Whether the same content is known under the id, or waits behind the key. */
  isDelivered(key: ParkedName, intake: { readonly id: string; readonly hash: string }): Promise<boolean>
  insertParked(record: ParkedRecord): Promise<void>
  /** False where it is not there. */
  removeParked(record: Pick<ParkedRecord, 'source' | 'partition' | 'key' | 'position'>): Promise<boolean>
  removeKeyIfEmpty(key: ParkedName): Promise<void>
  noteSkipped(record: ParkedRecord, by: { readonly actor: string; readonly why: string }): Promise<void>
  noteGap(gap: AcceptedGap): Promise<void>
}

interface Firing {
  /** What is due by the store's clock, earliest first, of these kinds of streams, without those (by `stream/id/tell/due`). */
  due(streams: readonly string[], without: readonly string[], limit: number): Promise<readonly TimerRow[]>
  markFired(timer: TimerRow): Promise<void>
  /** Milliseconds, by the store's clock, until the earliest one of these kinds of streams is due; below 0 where it is late already. */
  nextDue(streams: readonly string[]): Promise<number | undefined>
}

/** Where a rebuild stands: behind this stream of a kind, or at this view. */
export interface RebuildPlace {
  readonly part: 'stream' | 'view'
  readonly name: string
  readonly after: string
}
export interface RebuildOptions {
  readonly from: RebuildPlace | undefined
  readonly repair: boolean
  /** Absent: views that take facts of other services are passed over. */
  readonly foreign?: ForeignFacts
}
/** What was made again from the events and compared with what is stored. */
export interface RebuiltPage {
  readonly part: 'stream' | 'view'
  readonly name: string
  /** Streams, or rows of a view. */
  readonly looked: number
  /** What was not equal. */
  readonly differing: readonly { readonly id: string; readonly what: string }[]
  /** How many of them were set right. */
  readonly repaired: number
  /** Why it was not looked at; absent: it was. */
  readonly left?: string
  /** Absent: this was the last part. */
  readonly next?: RebuildPlace
}

export interface Store extends Writing, Reading, Relaying, Waking, Parking, Firing {
  /** Resolves when it has a plan and everything derived is of the present rules. Rejects with a sentence where it cannot be used. */
  prepare(rules: LedgerRules, views: readonly View[], partitions: number | undefined): Promise<void>
  rebuildPage(rules: LedgerRules, views: readonly View[], options: RebuildOptions): Promise<RebuiltPage>
  archiving(rules: LedgerRules): Archiving
  close(): Promise<void>
}
