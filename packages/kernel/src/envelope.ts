import type { Instant } from './instant.ts'

/** A stored fact with all that is known about it. */
export interface Envelope<Data = unknown> {
  /** Derived from the message that caused it, so a replay makes the same one. */
  readonly id: string
  /** The stream's kind and id: `requirement`, `REQ-1`. For intake: `intake` and the record key. */
  readonly stream: string
  readonly streamId: string
  /** In the stream, from 1. */
  readonly version: number
  /** In the service's ledger: gapless, in commit order. For intake: the offset. */
  readonly position: number
  readonly partition: number
  /** Type without the schema version: `rondo.requirements.requirement.raised`. */
  readonly type: string
  readonly schemaVersion: number
  readonly data: Data
  readonly occurredAt: Instant
  readonly recordedAt: Instant
  /** `person:<id>`, `service:<name>` or `unmapped:<hash>`. */
  readonly actor: string
  readonly correlationId: string
  /** The event or message that caused it. */
  readonly causationId: string
  readonly traceparent?: string | undefined
  /** Requirement ids of the turns it belongs to, where known. */
  readonly loopIds: readonly string[]
}
