import { type Clock, every } from '../clock.ts'
import { Coalesced } from '../coalesced.ts'
import { asError, unavailable } from '../error.ts'
import { type Ends, PartitionWork } from '../partition-work.ts'
import type { ConsumeOptions, Consumer, Lag, Paused } from '../port.ts'
import type { PollPace } from '../postgres/consumer.ts'
import { bounded } from '../time.ts'
import type { Held, ModelBroker } from './broker.ts'
import type { Wire } from './wire.ts'

export interface ModelParts {
  readonly broker: ModelBroker
  readonly wire: Wire
  readonly clock: Clock
  readonly pace: PollPace
}
interface Reading {
  readonly work: PartitionWork
  pumping: boolean
}

const stopWithinMs = 5_000
/** A member that could not give a sign of life for so long stops by itself, before others take over. */
const giveUpAfterMs = 8_000
const mostRecords = 500

const keyOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string => `${topic}/${partition}`

/** A member of a group of the model; what becomes of its partitions is decided where it is for the other adapters (`PartitionWork`). */
export class ModelMember implements Consumer {
  readonly #parts: ModelParts
  readonly #options: ConsumeOptions
  readonly #id: string
  readonly #readings = new Map<string, Reading>()
  readonly #releasing = new Set<string>()
  readonly #polling = new Coalesced(() => this.#look())
  readonly #balancing = new Coalesced(() => this.#balance())
  readonly #timers: readonly (() => void)[]
  #lastSign: number
  #lastLag = 0
  #stopped = false

  constructor(parts: ModelParts, options: ConsumeOptions) {
    const { clock, pace } = parts
    this.#parts = parts
    this.#options = options
    this.#id = clock.name()
    this.#lastSign = clock.now()
    this.#timers = [every(clock, pace.heartbeat, () => this.#beat()), every(clock, pace.poll, () => this.#polling.ask())]
    this.#balancing.ask()
  }

  get paused(): readonly Paused[] {
    return [...this.#readings.values()].flatMap(({ work: { topic, partition, standsStill } }) =>
      standsStill === undefined ? [] : [{ topic, partition, reason: standsStill }],
    )
  }

  resume(topic: string, partition: number): void {
    this.#readings.get(keyOf({ topic, partition }))?.work.resume()
  }

  async begun(): Promise<void> {
    await this.#balancing.idle()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
    const { broker, wire, clock } = this.#parts
    await bounded(this.#balancing.idle(), stopWithinMs, clock)
    await bounded(this.#dropAll(), stopWithinMs, clock)
    // Where it cannot be told, the group finds out by itself
    await wire.call('leave', () => broker.leave(this.#options.group, this.#id)).catch(() => undefined)
    await this.#polling.idle()
  }

  #beat(): void {
    if (this.#parts.clock.now() - this.#lastSign > giveUpAfterMs) void this.#dropAll()
    this.#balancing.ask()
  }

  async #balance(): Promise<void> {
    const { broker, wire, clock } = this.#parts
    const { group, topics } = this.#options
    if (this.#stopped) return
    const ear = {
      onRecords: () => wire.notice(() => this.#polling.ask()),
      onGroup: () => wire.notice(() => this.#balancing.ask()),
    }
    try {
      const held = await wire.call('beat', () => broker.beat(group, this.#id, topics, ear))
      this.#lastSign = clock.now()
      if (!this.#stopped) this.#takeUp(held)
    } catch (error) {
      if (!this.#stopped) this.#options.onError(unavailable(`the group ${group} could not be kept`, error))
    }
  }

  #takeUp(held: readonly Held[]): void {
    const keys = new Set(held.map(keyOf))
    for (const key of this.#readings.keys()) if (!keys.has(key)) void this.#drop(key)
    for (const one of held) {
      const key = keyOf(one)
      if (!one.wanted) void this.#release(one)
      else if (!this.#readings.has(key) && !this.#releasing.has(key)) {
        const reading = { work: this.#createWork(one), pumping: false }
        this.#readings.set(key, reading)
        reading.work.begin()
      }
    }
  }

  #createWork({ topic, partition }: Held): PartitionWork {
    const { broker, wire, pace, clock } = this.#parts
    const bounds = async (): Promise<Ends> => wire.call('bounds', () => broker.ends(topic, partition))
    const feed = { topic, partition, bounds, flow: () => this.#polling.ask(), halt: () => undefined }
    return new PartitionWork(this.#options, feed, pace, clock)
  }

  /** The partition goes to another member: after what is being handled, never during it. */
  async #release(held: Held): Promise<void> {
    const { broker, wire } = this.#parts
    const key = keyOf(held)
    if (this.#releasing.has(key)) return
    this.#releasing.add(key)
    try {
      await this.#drop(key)
      await wire.call('release', () => broker.release(this.#options.group, this.#id, held))
    } catch (error) {
      if (!this.#stopped) this.#options.onError(asError(error), held.topic, held.partition)
    } finally {
      this.#releasing.delete(key)
    }
  }

  async #drop(key: string): Promise<void> {
    const reading = this.#readings.get(key)
    this.#readings.delete(key)
    await reading?.work.revoke()
  }

  async #dropAll(): Promise<void> {
    await Promise.all([...this.#readings.keys()].map((key) => this.#drop(key)))
  }

  /** One request for all partitions: which have something new, and whether what is wanted next is still there. */
  async #look(): Promise<void> {
    const { broker, wire } = this.#parts
    const flowing = [...this.#readings.values()].filter(({ work }) => work.position !== undefined)
    if (this.#stopped || flowing.length === 0) return
    try {
      const before = new Map(flowing.map((reading) => [reading, reading.work.position]))
      const topics = [...new Set(flowing.map(({ work }) => work.topic))]
      const found = await wire.call('look', () => new Map(topics.map((topic) => [topic, broker.bounds(topic)])))
      const lags = flowing.flatMap((reading) =>
        this.#lagOf(reading, before.get(reading), found.get(reading.work.topic)?.[reading.work.partition]),
      )
      this.#tellLag(lags)
    } catch (error) {
      if (!this.#stopped) this.#options.onError(asError(error))
    }
  }

  #tellLag(lags: readonly Lag[]): void {
    const { clock, pace } = this.#parts
    if (clock.now() - this.#lastLag < pace.watch) return
    this.#lastLag = clock.now()
    this.#options.onLag?.(lags)
  }

  #lagOf(reading: Reading, before: bigint | undefined, ends: Ends | undefined): readonly Lag[] {
    if (ends === undefined) return []
    const { work } = reading
    work.check(ends, before)
    const { position, topic, partition } = work
    if (position === undefined) return []
    if (ends.next > position) void this.#pump(reading)
    return [{ topic, partition, first: ends.first, next: ends.next, position, lag: ends.next > position ? ends.next - position : 0n }]
  }

  /** Reads on until it has seen the end. */
  async #pump(reading: Reading): Promise<void> {
    if (reading.pumping) return
    reading.pumping = true
    const { broker, wire } = this.#parts
    const { work } = reading
    try {
      for (let position = work.position; position !== undefined; position = work.position) {
        const from = position
        const records = await wire.call('fetch', () => broker.read(work.topic, work.partition, from, mostRecords))
        if (work.position !== position) continue
        const [first, last] = [records[0], records.at(-1)]
        if (first === undefined || last === undefined) break
        await work.deliver(records, first.offset, last.offset + 1n)
      }
    } catch (error) {
      work.fault(error)
    } finally {
      reading.pumping = false
    }
  }
}
