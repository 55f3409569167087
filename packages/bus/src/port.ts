export interface BusRecord {
  readonly key: string
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  /** Given by who has stored it already (the ledger's relay); else it follows from the key, see `partitionOf`. */
  readonly partition?: number
}

export interface StoredRecord extends BusRecord {
  readonly topic: string
  readonly partition: number
  /** Grows by one from record to record of a partition; on Kafka there may be gaps where transactions were marked. */
  readonly offset: bigint
  readonly timestamp: Date
}

/** Where a record lies and what is said of it, without what it holds. */
export type StoredHeaders = Omit<StoredRecord, 'value'>

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** Milliseconds that records are kept, -1 for ever; without it as the broker does by default (embedded: for ever). */
  readonly retentionMs?: number
}

export interface Bounds {
  readonly partition: number
  /** Offset of the oldest record still there; equal to `next` when there is none. */
  readonly first: bigint
  /** The offset that the next record will get. */
  readonly next: bigint
}

export interface Lag extends Bounds {
  readonly topic: string
  /** The offset wanted next. */
  readonly position: bigint
  /** Records between the position and the end. */
  readonly lag: bigint
}

export interface Bus {
  /**
   * Creates missing topics, and missing partitions of those that are there: keys without a partition move then. Rejects with
   * `partition_mismatch` when a topic has more than are wanted: it can only grow.
   */
  ensure(topics: readonly TopicSpec[]): Promise<void>
  /**
   * Durable when it resolves; the places are in the order of the records, which are in order in each partition.
   * Split into as many requests as the broker's limit asks for. A record over the limit rejects with `too_large` before anything is sent.
   * After any other rejection the records may be stored or not: sending them again makes duplicates, not gaps.
   */
  send(topic: string, records: readonly BusRecord[]): Promise<readonly Place[]>
  /** The bytes that one record of the topic may take (`bytesOf`), as was known within the last half minute. */
  limit(topic: string): Promise<number>
  /** The last records of a partition, oldest first, at most so many. */
  last(topic: string, partition: number, most: number): Promise<readonly StoredHeaders[]>
  bounds(topic: string): Promise<readonly Bounds[]>
  /** Changes when the topic is deleted and made again, so that offsets stored for the old one are not used for the new. */
  topicId(topic: string): Promise<string>
  /**
   * Joins the group; resolves after the first attempt. From then on whatever fails goes to `onError` and is tried again until `stop`.
   * Between a member that lost its session without noticing and the next owner a batch can overlap:
   * what is written by `handle` has to be compare-and-set.
   */
  consume(options: ConsumeOptions): Promise<Consumer>
  /** Stops the consumers and lets go of every connection. */
  close(): Promise<void>
}

export interface Place {
  readonly partition: number
  readonly offset: bigint
}

export interface ConsumeOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Asked for each partition that is assigned, and again before each retry and resumption: offsets live in the consumer's own database. */
  start(topic: string, partition: number): Promise<bigint | 'first'>
  /**
   * The records of one partition, in order, never two batches of it at once. Resolves when they are durable. A record is made when it is
   * come to, and each time anew: a batch may hold thousands.
   * A rejection stops this partition only; after a growing delay it goes on from where `start` says.
   */
  handle(batch: Iterable<StoredRecord>, control: PartitionControl): Promise<void>
  /** From time to time, for the partitions that this member reads. */
  onLag?(lag: readonly Lag[]): void
  /** Must not throw. Without topic and partition it concerns the consumer as a whole. */
  onError(error: Error, topic?: string, partition?: number): void
}

export interface PartitionControl {
  /** Nothing of this partition after this batch, until `resume`. */
  pause(reason: string): void
  /** The next batch begins there. Out of range, it is an error as at the start. */
  seek(offset: bigint): void
  /**
   * Between two batches: what came of an earlier one has failed, and the partition goes on as after a rejection. During a batch it is that
   * batch's to reject.
   */
  fail(reason: unknown): void
  /** Aborted when the partition is no longer this member's. */
  readonly signal: AbortSignal
}

export interface Paused {
  readonly topic: string
  readonly partition: number
  readonly reason: string
}

export interface Consumer {
  /** Partitions that stand still: paused, out of range, or waiting for a retry. */
  readonly paused: readonly Paused[]
  /** Goes on from where `start` says, whether it stands still or not. */
  resume(topic: string, partition: number): void
  /** Resolves when no batch is being handled any more (or five seconds after it was told to the signal) and the group was left. */
  stop(): Promise<void>
}

/** What an adapter does on its own account and somebody may want to read later. */
export type Log = (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void

/** Milliseconds of the delays that an adapter keeps to. */
export interface Pace {
  /** Before a partition is tried again after its first failure; doubled by each further one. */
  readonly retryFirst: number
  readonly retryMost: number
  /** Between two looks at the bounds of what is read: lag, and offsets that went out of range. */
  readonly watch: number
}

export const defaultPace: Pace = { retryFirst: 200, retryMost: 30_000, watch: 5000 }
