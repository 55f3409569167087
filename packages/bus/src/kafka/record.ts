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

/** With its length, where that fits in one byte; names that are longer are not kept. */
const encodedText = (text: string): Buffer => Buffer.concat([Buffer.from([2 * Buffer.byteLength(text)]), Buffer.from(text)])

/** By place: records of one kind have the same headers in the same order, and to compare a name costs a tenth of making it. */
const names: { readonly encoded: Buffer; readonly name: string }[] = []
const mostNames = 64

/**
 * Headers of records that stand next to each other. What a record has in common with the one before it is not made again: names, and about
 * half of the values.
 */
class HeaderReader {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #before: Buffer = Buffer.alloc(0)
  #headers: Readonly<Record<string, string>> = {}
  /** Of the headers before, in their order: where the name begins, where the value does. */
  readonly #begins: number[] = []
  readonly #values: number[] = []
  readonly #names: string[] = []
  /** Where the headers before end. */
  #end = 0

  read(encoded: Buffer): Readonly<Record<string, string>> {
    this.#bytes = encoded
    this.#at = 0
    const count = this.#int()
    const headers = (count > 0 && count === this.#names.length ? this.#likeBefore(count) : undefined) ?? this.#anew(count)
    this.#before = encoded
    this.#headers = headers
    return headers
  }

  /** Undefined: they are others. Kafka allows a header more than once (the last one counts here) and null headers. */
  #likeBefore(count: number): Record<string, string> | undefined {
    const begin = this.#at
    const headers = { ...this.#headers }
    const places = this.#begins
    let first = places[0] ?? 0
    for (let place = 0; place < count; place++) {
      const next = places[place + 1] ?? this.#end
      const value = this.#values[place] ?? 0
      const same = this.#sameUntil(first, next)
      if (first + same < value) {
        // What was written over belongs to this record, which is read again
        this.#names.length = 0
        this.#at = begin
        return undefined
      }
      places[place] = this.#at
      this.#values[place] = this.#at + value - first
      if (first + same === next) this.#at += same
      else {
        this.#at += value - first
        headers[this.#names[place] ?? ''] = this.#text()
      }
      first = next
    }
    places.length = count
    this.#end = this.#at
    return headers
  }

  /** How many bytes are as those before, from `first` up to `end` there. */
  #sameUntil(first: number, end: number): number {
    const [bytes, before] = [this.#bytes, this.#before]
    let n = 0
    for (let at = this.#at; first + n < end && bytes[at + n] === before[first + n]; ) n++
    return n
  }

  #anew(count: number): Record<string, string> {
    const headers: Record<string, string> = {}
    this.#begins.length = 0
    this.#values.length = 0
    this.#names.length = 0
    for (let place = 0; place < count; place++) {
      this.#begins.push(this.#at)
      const name = this.#nameAt(place)
      this.#values.push(this.#at)
      // One that is there twice has no place of its own
      if (this.#names.length === place && !Object.hasOwn(headers, name)) this.#names.push(name)
      headers[name] = this.#text()
    }
    this.#end = this.#at
    return headers
  }

  #nameAt(place: number): string {
    const known = names[place]
    if (known && this.#skips(known.encoded)) return known.name
    const name = this.#text()
    if (place < mostNames && name.length < 20) names[place] = { encoded: encodedText(name), name }
    return name
  }

  /** Whether these bytes come next, which are left behind then. */
  #skips(expected: Buffer): boolean {
    for (let n = 0; n < expected.length; n++) if (this.#bytes[this.#at + n] !== expected[n]) return false
    this.#at += expected.length
    return true
  }

  /** In groups of seven bits, the lowest first; odd ones are negative. */
  #int(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
  }

  /** A length of -1 is a null: an empty text here. */
  #text(): string {
    const length = this.#int()
    if (length <= 0) return ''
    const begin = this.#at
    this.#at += length
    return this.#bytes.toString('utf8', begin, this.#at)
  }
}

function noneOf({ headers }: Message): Record<string, string> {
  // What comes without its headers would be taken for no event, and left out
  if (headers !== undefined) throw new BusError('unavailable', 'this kafkajs is not the patched 2.2.4 that the adapter was written for')
  return {}
}

/** Of a record without key it is empty. */
const recordOf = (topic: string, partition: number, message: Message, reader: HeaderReader): StoredRecord => ({
  topic,
  partition,
  offset: BigInt(message.offset),
  timestamp: new Date(Number(message.timestamp)),
  key: message.key?.toString('utf8') ?? '',
  value: message.value,
  headers: message.encodedHeaders ? reader.read(message.encodedHeaders) : noneOf(message),
})

export const storedRecord = (topic: string, partition: number, message: Message): StoredRecord =>
  recordOf(topic, partition, message, new HeaderReader())

export const storedRecords = (topic: string, partition: number, messages: readonly Message[]): Iterable<StoredRecord> => ({
  *[Symbol.iterator]() {
    const reader = new HeaderReader()
    for (const message of messages) yield recordOf(topic, partition, message, reader)
  },
})
