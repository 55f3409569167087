import type { StoredRecord } from '@rondo/bus'
import { fromIntakeRecord, fromRecord, NotAnEvent } from '@rondo/contracts/cloudevents'
import type { Envelope } from '@rondo/kernel'
import type { Checkpoint } from '@rondo/ledger'
import type { Logger } from './log.ts'
import { isIntake } from './reaction-table.ts'

/** An event and its place in the chain of its partition. */
export interface Chained {
  readonly event: Envelope
  /** The position before it; undefined: nothing can be missing before it. */
  readonly previous: number | undefined
  readonly position: number
  readonly epoch: number
  /** By partition: up to where the others have to be read before it. Only of the first of a larger partition plan. */
  readonly after?: readonly number[]
}

/** Where the chain of a partition stands. */
export interface Watermark {
  /** Topic and incarnation (intake) or topic and epoch (ledgers). */
  source: string
  epoch: number
  /** The last position that was read; what is on its way included. */
  seen: number
  /** The last that the database knows, once all that is on its way has arrived. */
  stored: number
}

/** What the database has to know of a partition. */
export interface Known {
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly position: number
}

export interface Read {
  readonly record: StoredRecord
  readonly event: Envelope
  readonly position: number
}
export interface Place extends Read {
  readonly checkpoint: Checkpoint
}

/** Throws NotAnEvent. */
export function chained(topic: string, record: StoredRecord): Chained {
  // An offset is its own chain: the position is one past it, so that 0 means "nothing read".
  if (isIntake(topic)) return { event: fromIntakeRecord(record), previous: undefined, position: Number(record.offset) + 1, epoch: 0 }
  const { event, chain } = fromRecord(record)
  const { previous, epoch, after } = chain
  return { event, previous, position: event.position, epoch, ...(after ? { after } : {}) }
}

/** Undefined: it is no event, which is told, and left out. */
export function readable(
  topic: string,
  record: StoredRecord,
  log: Pick<Logger, 'error'>,
  count: (outcome: string) => void,
): Chained | undefined {
  try {
    return chained(topic, record)
  } catch (error) {
    if (!(error instanceof NotAnEvent)) throw error
    const { partition, offset } = record
    log.error({ err: error, topic, partition, offset }, 'a record that is no event was left out')
    count('unreadable')
    return undefined
  }
}
