import { BusError } from '../error.ts'
import type { StoredRecord } from '../port.ts'
import { decompressed } from './codec.ts'
import { type RecordBase, recordsIn } from './record.ts'

/** What a broker has said of a partition in answer to a fetch. */
export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** The offset behind the last record that may be read by now. */
  readonly end: bigint
  /** Whose transactions were given up, and from which offset on. */
  readonly aborted: readonly { readonly producerId: bigint; readonly from: bigint }[]
  /** Batches as they are stored; the last one may be cut off. */
  readonly records: Buffer
}

// The head of a batch. https://kafka.apache.org/documentation/#recordbatch
const lengthAt = 8
const bodyAt = 12
const magicAt = 16
const attributesAt = 21
const lastDeltaAt = 23
const baseTimeAt = 27
const mostTimeAt = 35
const producerAt = 43
const countAt = 57
const recordsAt = 61

const codecMask = 0x07
const appendTimeFlag = 0x08
const transactionalFlag = 0x10
const controlFlag = 0x20

/** Where a control record says what it is for: behind its length, its attributes and the differences of time and offset, all of one byte. */
const isAbort = (batch: Buffer): boolean => {
  const keyAt = recordsAt + 5
  return batch.length >= keyAt + 4 && batch.readInt16BE(keyAt + 2) === 0
}

interface DataBatch {
  readonly base: RecordBase
  /** Of its last record. */
  readonly last: bigint
  readonly bytes: Buffer
  readonly count: number
}

async function dataOf(topic: string, partition: number, batch: Buffer): Promise<DataBatch> {
  const attributes = batch.readInt16BE(attributesAt)
  const offset = batch.readBigInt64BE(0)
  const appended = (attributes & appendTimeFlag) > 0 ? new Date(Number(batch.readBigInt64BE(mostTimeAt))) : undefined
  const body = batch.subarray(recordsAt)
  const codec = attributes & codecMask
  return {
    base: { topic, partition, offset, timestamp: Number(batch.readBigInt64BE(baseTimeAt)), appended },
    last: offset + BigInt(batch.readInt32BE(lastDeltaAt)),
    bytes: codec === 0 ? body : await decompressed(codec, body),
    count: batch.readInt32BE(countAt),
  }
}

/** Whole batches, one after the other. */
function* batchesIn(records: Buffer): Generator<Buffer, void> {
  for (let at = 0; at + recordsAt <= records.length; ) {
    const end = at + bodyAt + records.readInt32BE(at + lengthAt)
    if (end > records.length) return
    yield records.subarray(at, end)
    at = end
  }
}

/**
 * What one fetch has brought of a partition, for all who read it. A record is made when somebody comes to it; where several do, it is made
 * once and they get the same.
 */
export class Chunk {
  /** The offset that was asked for. */
  readonly from: bigint
  /** The offset behind all of it, markers and given-up transactions included; `from` where nothing was brought. */
  readonly next: bigint
  readonly bytes: number
  readonly #batches: readonly DataBatch[]
  #kept: Kept | undefined

  constructor(from: bigint, next: bigint, bytes: number, batches: readonly DataBatch[]) {
    this.from = from
    this.next = next
    this.bytes = bytes
    this.#batches = batches
  }

  /** From now on what was made is kept. */
  share(): void {
    this.#kept ??= new Kept(this.#made())
  }

  /** Whether there is any record from this offset on. */
  holds(from: bigint): boolean {
    return this.#batches.some(({ last }) => last >= from)
  }

  /** From this offset on. */
  *records(from: bigint): Generator<StoredRecord, void> {
    // A batch comes whole, from before the offset on
    for (const record of this.#kept?.all() ?? this.#made()) if (record.offset >= from) yield record
  }

  *#made(): Generator<StoredRecord, void> {
    for (const { base, last, bytes, count } of this.#batches) if (last >= this.from) yield* recordsIn(bytes, count, base)
  }
}

/** What comes from elsewhere one by one, for several who go through it each at their own pace. */
class Kept {
  readonly #rest: Iterator<StoredRecord, void>
  readonly #made: StoredRecord[] = []
  #failure: { readonly error: unknown } | undefined

  constructor(rest: Iterator<StoredRecord, void>) {
    this.#rest = rest
  }

  *all(): Generator<StoredRecord, void> {
    for (let n = 0; ; n++) {
      const record = this.#made[n] ?? this.#make()
      if (!record) return
      yield record
    }
  }

  /** Who has failed once has ended for whoever asks again: others would take that for all there is. */
  #make(): StoredRecord | undefined {
    if (this.#failure) throw this.#failure.error
    try {
      const { done, value } = this.#rest.next()
      if (done) return undefined
      this.#made.push(value)
      return value
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }
}

/** Takes apart what was brought from the offset on. Rejects where it cannot be read. */
export async function chunkOf({ topic, partition, aborted, records }: FetchedPartition, from: bigint): Promise<Chunk> {
  const batches: DataBatch[] = []
  const gaveUp = new Set<bigint>()
  const rest = [...aborted].sort((one, other) => Number(one.from - other.from))
  let next = from
  for (const batch of batchesIn(records)) {
    if (batch.readInt8(magicAt) !== 2)
      throw new BusError('unavailable', `${topic}/${partition} holds records of before Kafka 0.11, which cannot be read`, {
        topic,
        partition,
      })
    const last = batch.readBigInt64BE(0) + BigInt(batch.readInt32BE(lastDeltaAt))
    if (last < from) continue
    next = last + 1n
    for (let first = rest[0]; first && first.from <= last; first = rest[0]) {
      gaveUp.add(first.producerId)
      rest.shift()
    }
    const attributes = batch.readInt16BE(attributesAt)
    const producerId = batch.readBigInt64BE(producerAt)
    if ((attributes & controlFlag) > 0) {
      if (isAbort(batch)) gaveUp.delete(producerId)
    } else if ((attributes & transactionalFlag) === 0 || !gaveUp.has(producerId)) batches.push(await dataOf(topic, partition, batch))
  }
  return new Chunk(from, next, records.length, batches)
}
