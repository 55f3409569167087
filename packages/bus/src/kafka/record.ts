import type { StoredRecord } from '../port.ts'
import type { RawHeaders } from './protocol.ts'

interface Message {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: RawHeaders
}

/** Kafka allows a header more than once (the last one counts here), and headers and keys that are null (empty ones here). */
function textsOf(raw: RawHeaders): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const name in raw) {
    const value = raw[name]
    const last = Array.isArray(value) ? value.at(-1) : value
    texts[name] = typeof last === 'string' ? last : (last?.toString('utf8') ?? '')
  }
  return texts
}

export const storedRecord = (topic: string, partition: number, { offset, timestamp, key, value, headers = {} }: Message): StoredRecord => ({
  topic,
  partition,
  offset: BigInt(offset),
  timestamp: new Date(Number(timestamp)),
  key: key?.toString('utf8') ?? '',
  value,
  headers: textsOf(headers),
})

export const storedRecords = (topic: string, partition: number, messages: readonly Message[]): Iterable<StoredRecord> => ({
  *[Symbol.iterator]() {
    for (const message of messages) yield storedRecord(topic, partition, message)
  },
})
