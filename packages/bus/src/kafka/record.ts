import { BusError } from '../error.ts'
import type { StoredRecord } from '../port.ts'

interface Message {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** As Kafka writes them; kept so by our patch of kafkajs. Absent: a record of before Kafka 0.11, which has none. */
  readonly encodedHeaders?: Buffer
  readonly headers?: object
}

/** Numbers and texts one after the other. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** In groups of seven bits, the lowest first; odd ones are negative. */
  int(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
  }

  /** Whether these bytes come next, which are left behind then. */
  skips(expected: Buffer): boolean {
    for (let n = 0; n < expected.length; n++) if (this.#bytes[this.#at + n] !== expected[n]) return false
    this.#at += expected.length
    return true
  }

  /** A length of -1 is a null: an empty text here. */
  text(): string {
    const length = this.int()
    if (length <= 0) return ''
    const begin = this.#at
    this.#at += length
    return this.#bytes.toString('utf8', begin, this.#at)
  }
}

/** With its length, where that fits in one byte; names that are longer are not kept. */
const encodedText = (text: string): Buffer => Buffer.concat([Buffer.from([2 * Buffer.byteLength(text)]), Buffer.from(text)])

/** By place: records of one kind have the same headers in the same order, and to compare a name costs a tenth of making it. */
const names: { readonly encoded: Buffer; readonly name: string }[] = []
const mostNames = 64

function nameOf(reader: Reader, place: number): string {
  const known = names[place]
  if (known && reader.skips(known.encoded)) return known.name
  const name = reader.text()
  if (place < mostNames && name.length < 20) names[place] = { encoded: encodedText(name), name }
  return name
}

/** Kafka allows a header more than once (the last one counts here) and null headers. */
function headersOf(encoded: Buffer): Record<string, string> {
  const reader = new Reader(encoded)
  const headers: Record<string, string> = {}
  const count = reader.int()
  for (let place = 0; place < count; place++) headers[nameOf(reader, place)] = reader.text()
  return headers
}

function noneOf({ headers }: Message): Record<string, string> {
  // What comes without its headers would be taken for no event, and left out
  if (headers !== undefined) throw new BusError('unavailable', 'this kafkajs is not the patched 2.2.4 that the adapter was written for')
  return {}
}

/** Of a record without key it is empty. */
export const storedRecord = (topic: string, partition: number, message: Message): StoredRecord => ({
  topic,
  partition,
  offset: BigInt(message.offset),
  timestamp: new Date(Number(message.timestamp)),
  key: message.key?.toString('utf8') ?? '',
  value: message.value,
  headers: message.encodedHeaders ? headersOf(message.encodedHeaders) : noneOf(message),
})

export const storedRecords = (topic: string, partition: number, messages: readonly Message[]): Iterable<StoredRecord> => ({
  *[Symbol.iterator]() {
    for (const message of messages) yield storedRecord(topic, partition, message)
  },
})
