import type { StoredRecord } from '../port.ts'

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

/** Where records lie, and what their numbers are counted from. */
export interface RecordBase {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Milliseconds. */
  readonly timestamp: number
  /** All records have this one time: that of when the broker wrote them. */
  readonly appended: Date | undefined
}

/** Numbers and bytes of records, one after the other. Throws `RangeError` where they end too early. */
class Fields {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** In groups of seven bits, the lowest first; odd ones are negative. */
  int(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
  }

  /** As `int`, of more than 32 bits; exact up to 2^53, which is enough for differences of times. */
  long(): number {
    let value = 0
    for (let weight = 1; ; weight *= 128) {
      const byte = this.#byte()
      value += (byte & 0x7f) * weight
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
  }

  /** A length of -1 is a null. */
  field(): Buffer | null {
    const length = this.int()
    return length < 0 ? null : this.until(this.at + length)
  }

  until(end: number): Buffer {
    if (end > this.bytes.length || end < this.at) throw new RangeError(`a record ends at byte ${end} of ${this.bytes.length}`)
    const begin = this.at
    this.at = end
    return this.bytes.subarray(begin, end)
  }

  #byte(): number {
    const byte = this.bytes[this.at++]
    if (byte === undefined) throw new RangeError(`a record ends behind the ${this.bytes.length} bytes that there are`)
    return byte
  }
}

/**
 * So many records, each made when it is come to, as https://kafka.apache.org/documentation/#record has them. Of a record without key it is
 * empty. Throws `RangeError` where the bytes end too early.
 */
export function* recordsIn(bytes: Buffer, count: number, base: RecordBase): Generator<StoredRecord, void> {
  const { topic, partition } = base
  const fields = new Fields(bytes)
  const reader = new HeaderReader()
  for (let n = 0; n < count; n++) {
    const length = fields.int()
    const end = fields.at + length
    fields.at += 1 // attributes: none are in use
    const timestamp = base.appended ?? new Date(base.timestamp + fields.long())
    if (base.appended) fields.long()
    const offset = base.offset + BigInt(fields.int())
    const key = fields.field()?.toString('utf8') ?? ''
    const value = fields.field()
    const headers = reader.read(fields.until(end))
    yield { topic, partition, offset, timestamp, key, value, headers }
  }
}
