import { type Clock, realClock } from './clock.ts'
import { BusError, unavailable } from './error.ts'
import { partitionOf } from './partition.ts'
import type { BusRecord, Place } from './port.ts'

/*
 * What both adapters do before a request leaves: place records in partitions, refuse those over the limit, cut what does not fit into one
 * request, and gather what is sent while a request is under way, so that many callers with one record each do not cost a request each.
 */

export interface TopicFacts {
  readonly partitions: number
  /** The limit of one batch of one partition, in bytes. */
  readonly maxBytes: number
  /** What an operator sets it by. */
  readonly setting: string
}

export interface Placed {
  readonly topic: string
  readonly partition: number
  readonly record: BusRecord
  readonly bytes: number
}

export interface Store {
  /** Kept for a while by the adapter, unless `fresh`. Rejects with `unknown_topic`. */
  facts(topic: string, fresh: boolean): Promise<TopicFacts>
  /** Writes one request; the offsets in the order of the records. Rejects with `too_large` when the limit has become lower. */
  write(records: readonly Placed[]): Promise<readonly bigint[]>
}

export interface RequestLimits {
  readonly bytes: number
  readonly records: number
}

/** Bytes of a batch without its records. */
const batchOverhead = 100

/** An upper bound of what a record takes in a batch: its bytes, and the longest form of each length and number around them. */
export function bytesOf({ key, value, headers }: BusRecord): number {
  let bytes = 36 + Buffer.byteLength(key) + (value?.byteLength ?? 0)
  for (const name in headers) bytes += 10 + Buffer.byteLength(name) + Buffer.byteLength(headers[name] ?? '')
  return bytes
}

function place(topic: string, record: BusRecord, bytes: number, index: number, { partitions, maxBytes, setting }: TopicFacts): Placed {
  const partition = record.partition ?? partitionOf(record.key, partitions)
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
    const message = `record ${index} (key ${record.key}) names partition ${partition}; ${topic} has 0 to ${partitions - 1}`
    throw new BusError('partition_mismatch', message, { topic, index, partition, partitions })
  }
  if (bytes + batchOverhead > maxBytes) {
    const limit = maxBytes - batchOverhead
    const wanted = `${setting} of ${topic} to ${bytes + batchOverhead}`
    const message = `record ${index} (key ${record.key}) takes ${bytes} bytes; ${topic} takes ${limit}`
    throw new BusError('too_large', message, { topic, index, key: record.key, bytes, limit, wanted })
  }
  return { topic, partition, record, bytes }
}

/** How many of the records, from the first, fit into one request: no partition's batch over its limit, the whole within the limits. At least one. */
export function fitting(records: readonly Placed[], maxBytes: (topic: string) => number, limits: RequestLimits): number {
  const batches = new Map<string, number>()
  let total = 0
  for (const [index, { topic, partition, bytes }] of records.entries()) {
    const batch = `${topic}/${partition}`
    const size = (batches.get(batch) ?? batchOverhead) + bytes
    total += bytes
    if (index > 0 && (size > maxBytes(topic) || total > limits.bytes || index >= limits.records)) return index
    batches.set(batch, size)
  }
  return records.length
}

interface Parcel {
  readonly topic: string
  readonly records: readonly BusRecord[]
  placed: readonly Placed[]
  maxBytes: number
  resolve(places: readonly Place[]): void
  reject(error: unknown): void
}

const sizeOf = ({ placed }: Parcel): number => placed.reduce((sum, { bytes }) => sum + bytes, 0)

/** Bytes that may wait; one parcel always may. */
const mostWaiting = 64 << 20

/** How often a limit may turn out lower than it was said to be while one parcel is sent. */
const refusalsMost = 3

export class Outbox {
  readonly #store: Store
  readonly #limits: RequestLimits
  readonly #clock: Pick<Clock, 'turn'>
  readonly #waiting: Parcel[] = []
  #waitingBytes = 0
  #working: Promise<void> | undefined
  #closed = false

  constructor(store: Store, limits: RequestLimits, clock: Pick<Clock, 'turn'> = realClock) {
    this.#clock = clock
    this.#store = store
    this.#limits = limits
  }

  async send(topic: string, records: readonly BusRecord[]): Promise<readonly Place[]> {
    if (this.#closed) throw new BusError('closed', 'the bus is closed')
    if (records.length === 0) return []
    const { promise, resolve, reject } = Promise.withResolvers<readonly Place[]>()
    const parcel: Parcel = { topic, records, placed: [], maxBytes: 0, resolve, reject }
    await this.#placeAll(parcel, false)
    const bytes = sizeOf(parcel)
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes > mostWaiting)
      throw new BusError('overloaded', `${this.#waitingBytes} bytes wait to be sent already; at most ${mostWaiting} may`, { topic })
    this.#waiting.push(parcel)
    this.#waitingBytes += bytes
    this.#working ??= this.#work()
    return promise
  }

  /** The bytes that one record may take. */
  async limit(topic: string): Promise<number> {
    return (await this.#store.facts(topic, false)).maxBytes - batchOverhead
  }

  /** Takes nothing more, and waits for what was taken. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#working
  }

  async #placeAll(parcel: Parcel, fresh: boolean): Promise<void> {
    const known = await this.#store.facts(parcel.topic, fresh)
    // The topic may have grown since, or its limit
    const sizes = parcel.records.map(bytesOf)
    const isBeyond = parcel.records.some(
      ({ partition = 0 }, index) => partition >= known.partitions || (sizes[index] ?? 0) + batchOverhead > known.maxBytes,
    )
    const facts = isBeyond && !fresh ? await this.#store.facts(parcel.topic, true) : known
    parcel.maxBytes = facts.maxBytes
    parcel.placed = parcel.records.map((record, index) => place(parcel.topic, record, sizes[index] ?? 0, index, facts))
  }

  async #work(): Promise<void> {
    // Who was answered together sends together: within this turn of the event loop
    await this.#clock.turn()
    for (let parcels = this.#take(); parcels.length > 0; parcels = this.#take()) {
      const [first] = parcels
      if (first !== undefined && parcels.length === 1) await this.#settle(first, () => this.#writeAlone(first))
      else await this.#writeTogether(parcels)
    }
    this.#working = undefined
  }

  /** The parcels, from the first, that one request takes; at least one, when there is one. */
  #take(): readonly Parcel[] {
    const considered = this.#waiting.slice(0, this.#limits.records)
    const maxBytes = (topic: string) => Math.min(...considered.filter((parcel) => parcel.topic === topic).map((parcel) => parcel.maxBytes))
    const limits = new Map([...new Set(considered.map(({ topic }) => topic))].map((topic) => [topic, maxBytes(topic)]))
    const placed = considered.flatMap((parcel) => parcel.placed)
    const fit = fitting(placed, (topic) => limits.get(topic) ?? 0, this.#limits)
    let count = 0
    for (let records = 0; count < considered.length; count += 1) {
      records += considered[count]?.placed.length ?? 0
      if (records > fit) break
    }
    const taken = this.#waiting.splice(0, Math.max(count, 1))
    for (const parcel of taken) this.#waitingBytes -= sizeOf(parcel)
    return taken
  }

  /** One parcel by itself, in as many requests as it takes. A limit that has become lower is asked for again. */
  async #writeAlone(parcel: Parcel): Promise<readonly bigint[]> {
    const offsets: bigint[] = []
    for (let refusals = 0; offsets.length < parcel.placed.length; ) {
      const rest = parcel.placed.slice(offsets.length)
      try {
        offsets.push(
          ...(await this.#store.write(
            rest.slice(
              0,
              fitting(rest, () => parcel.maxBytes, this.#limits),
            ),
          )),
        )
      } catch (error) {
        if (!(error instanceof BusError && error.code === 'too_large') || refusals === refusalsMost) throw error
        refusals += 1
        await this.#placeAll(parcel, true)
      }
    }
    return offsets
  }

  async #writeTogether(parcels: readonly Parcel[]): Promise<void> {
    let offsets: readonly bigint[]
    try {
      offsets = await this.#store.write(parcels.flatMap((parcel) => parcel.placed))
    } catch (error) {
      // What is wrong with one must not be the others' failure; when the engine is away, each is told so.
      if (error instanceof BusError && error.code === 'unavailable') for (const parcel of parcels) parcel.reject(error)
      else for (const parcel of parcels) await this.#settle(parcel, () => this.#writeAlone(parcel))
      return
    }
    let from = 0
    for (const parcel of parcels) {
      const own = offsets.slice(from, from + parcel.placed.length)
      from += parcel.placed.length
      await this.#settle(parcel, async () => own)
    }
  }

  async #settle(parcel: Parcel, work: () => Promise<readonly bigint[]>): Promise<void> {
    try {
      const offsets = await work()
      parcel.resolve(parcel.placed.map(({ partition }, index) => ({ partition, offset: offsets[index] ?? -1n })))
    } catch (error) {
      parcel.reject(unavailable(`sending to ${parcel.topic} failed`, error))
    }
  }
}
