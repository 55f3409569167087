import type { FetchedPartition } from './chunk.ts'
import type { Changes } from './fetch-session.ts'
import type { Exchange } from './protocol.ts'

/*
 * Fetch, version 11. https://kafka.apache.org/protocol#The_Messages_Fetch
 * kafkajs has it too, but gives up all of an answer for one partition's error, and decodes all that was brought before anybody looks at it.
 */
const api = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' }

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface FetchLimits {
  /** Milliseconds that the broker may wait for the first byte. */
  readonly wait: number
  /** Bytes, unless one batch alone is larger. */
  readonly most: number
  readonly mostOfPartition: number
}

const readCommitted = 1

const namesOf = (topics: ReadonlyMap<string, unknown>): number =>
  [...topics.keys()].reduce((sum, topic) => sum + 6 + Buffer.byteLength(topic), 0)

function encoded({ session, epoch, changed, gone }: Changes, { wait, most, mostOfPartition }: FetchLimits): Buffer {
  const topics = Map.groupBy(changed, ([{ topic }]) => topic)
  const forgotten = Map.groupBy(gone, ({ topic }) => topic)
  const bytes = Buffer.allocUnsafe(29 + namesOf(topics) + 28 * changed.size + 6 + namesOf(forgotten) + 4 * gone.length)
  let at = 0
  const int16 = (value: number) => {
    at = bytes.writeInt16BE(value, at)
  }
  const int32 = (value: number) => {
    at = bytes.writeInt32BE(value, at)
  }
  const int64 = (value: bigint) => {
    at = bytes.writeBigInt64BE(value, at)
  }
  const text = (value: string) => {
    int16(Buffer.byteLength(value))
    at += bytes.write(value, at)
  }
  for (const value of [-1, wait, 1, most]) int32(value) // no replica; the first byte ends the wait
  at = bytes.writeInt8(readCommitted, at)
  for (const value of [session, epoch, topics.size]) int32(value)
  for (const [topic, own] of topics) {
    text(topic)
    int32(own.length)
    for (const [{ partition }, offset] of own) {
      int32(partition)
      int32(-1) // the leader's epoch: whatever it is
      int64(offset)
      int64(-1n) // where the log starts: only replicas say so
      int32(mostOfPartition)
    }
  }
  int32(forgotten.size)
  for (const [topic, own] of forgotten) {
    text(topic)
    int32(own.length)
    for (const { partition } of own) int32(partition)
  }
  int16(0) // rack
  return bytes
}

export interface Fetched {
  /** Milliseconds for which the broker wants to be left alone; the client keeps to it. */
  readonly clientSideThrottleTime: number
  readonly errorCode: number
  /** In which it was answered; 0: in none. */
  readonly session: number
  /** In a session only those of which there is something to say. */
  readonly partitions: readonly FetchedPartition[]
}

const none = Buffer.alloc(0)

class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int16(): number {
    this.#at += 2
    return this.#bytes.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }

  int64(): bigint {
    this.#at += 8
    return this.#bytes.readBigInt64BE(this.#at - 8)
  }

  skip(length: number): void {
    this.#at += length
  }

  /** A length of -1 is a null: no bytes here. */
  take(length: number): Buffer {
    if (length <= 0) return none
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

function partitionOf(topic: string, fields: Fields): FetchedPartition {
  const partition = fields.int32()
  const errorCode = fields.int16()
  fields.skip(8) // the high watermark: open transactions lie before it
  const end = fields.int64()
  fields.skip(8) // where the log starts
  const aborted: FetchedPartition['aborted'][number][] = []
  for (let count = fields.int32(); count > 0; count--) aborted.push({ producerId: fields.int64(), from: fields.int64() })
  fields.skip(4) // a replica that is nearer: none, as no rack was told
  return { topic, partition, errorCode, end, aborted, records: fields.take(fields.int32()) }
}

function decoded(bytes: Buffer): Fetched {
  const fields = new Fields(bytes)
  const clientSideThrottleTime = fields.int32()
  const errorCode = fields.int16()
  const session = fields.int32()
  const partitions: FetchedPartition[] = []
  for (let topics = fields.int32(); topics > 0; topics--) {
    const topic = fields.take(fields.int16()).toString()
    for (let own = fields.int32(); own > 0; own--) partitions.push(partitionOf(topic, fields))
  }
  return { clientSideThrottleTime, errorCode, session, partitions }
}

/** To be sent on any connection of the client's. */
export function fetchOf(changes: Changes, limits: FetchLimits): Exchange<Fetched> {
  const bytes = encoded(changes, limits)
  return {
    request: { ...api, encode: async () => ({ buf: bytes, buffer: bytes }) },
    response: { decode: async (raw) => decoded(raw), parse: async (fetched) => fetched },
  }
}

/** Who leads the partition is not known, or is another one by now; or it is on its way of being made or moved. */
export const moved: ReadonlySet<number> = new Set([3, 5, 6, 9, 56, 74, 75, 78])
export const outOfRange = 1

const names: Readonly<Record<number, string>> = {
  1: 'OFFSET_OUT_OF_RANGE',
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  9: 'REPLICA_NOT_AVAILABLE',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  56: 'KAFKA_STORAGE_ERROR',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
}

/** https://kafka.apache.org/protocol#protocol_error_codes */
export const codeName = (code: number | undefined): string => names[code ?? 0] ?? `error ${code}`
