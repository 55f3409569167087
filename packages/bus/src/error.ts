export type BusErrorCode =
  /** A record is over the limit of its topic; nothing was sent. */
  | 'too_large'
  /** The offset wanted is no longer, or not yet, there. */
  | 'offset_out_of_range'
  /** A topic exists with another number of partitions, or a record names a partition that its topic does not have. */
  | 'partition_mismatch'
  | 'unknown_topic'
  /** Too much waits to be sent already; nothing of this was sent. */
  | 'overloaded'
  /** The bus was closed. */
  | 'closed'
  /** The engine does not answer, or not as it should. */
  | 'unavailable'

export class BusError extends Error {
  override readonly name = 'BusError'
  readonly code: BusErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: BusErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

export interface Range {
  readonly topic: string
  readonly partition: number
  readonly wanted: bigint
  readonly first: bigint
  readonly next: bigint
}

/** Never taken for "begin somewhere else": the records between are lost, or the topic is not the one that was read. */
export class OffsetOutOfRange extends BusError {
  readonly range: Range

  constructor(range: Range) {
    const { topic, partition, wanted, first, next } = range
    const why = wanted < first ? 'the records before were deleted' : 'the topic ends before'
    super('offset_out_of_range', `${topic}/${partition}: offset ${wanted} is wanted, there are ${first} to ${next} (${why})`, { ...range })
    this.range = range
  }
}

export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))

export const unavailable = (what: string, cause: unknown): BusError =>
  cause instanceof BusError ? cause : new BusError('unavailable', `${what}: ${asError(cause).message}`, {}, { cause })
