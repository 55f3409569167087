import type { StoredRecord } from '../port.ts'
import type { RawHeaders } from './protocol.ts'

interface Message {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: RawHeaders
}

const textOf = (header: Buffer | string | undefined): string =>
  header === undefined ? '' : typeof header === 'string' ? header : header.toString('utf8')

/** Kafka allows a header more than once (the last one counts here) and records without key (an empty one here). */
export function storedRecord(topic: string, partition: number, message: Message): StoredRecord {
  const headers = Object.entries(message.headers ?? {}).map(
    ([name, value]) => [name, textOf(Array.isArray(value) ? value.at(-1) : value)] as const,
  )
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    timestamp: new Date(Number(message.timestamp)),
    key: message.key?.toString('utf8') ?? '',
    value: message.value,
    headers: Object.fromEntries(headers),
  }
}
