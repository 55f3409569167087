import type pg from 'pg'
import { Coalesced } from '../coalesced.ts'
import { asError, BusError } from '../error.ts'
import { type Ends, PartitionWork } from '../partition-work.ts'
import type { ConsumeOptions, Consumer, Lag, Log, Pace, Paused } from '../port.ts'
import { bounded } from '../time.ts'
import { type Held, Membership } from './membership.ts'
import type { Ear, Session } from './session.ts'
import type { PostgresStore } from './store.ts'

export interface PollPace extends Pace {
  /** The safety net under the wake-ups. */
  readonly poll: number
  /** Between two signs of life of a member. */
  readonly heartbeat: number
}

const stopWithin_ms = 5000

export interface PostgresParts {
  readonly pool: pg.Pool
  readonly session: Session
  readonly store: PostgresStore
  readonly pace: PollPace
  readonly log: Log
}

interface Reading {
  readonly work: PartitionWork
  readonly topic: { readonly name: string; readonly number: number }
  pumping: boolean
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

const boundsStatement = `
  select p.topic, p.partition, p.first, p.next
  from bus.partition p join unnest($1::int[], $2::int[]) w (topic, partition) on p.topic = w.topic and p.partition = w.partition`

/** A member of a group on the embedded bus. */
export class PostgresMember implements Consumer {
  readonly #parts: PostgresParts
  readonly #options: ConsumeOptions
  readonly #membership: Membership
  readonly #readings = new Map<string, Reading>()
  readonly #releasing = new Set<string>()
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #polling = new Coalesced(() => this.#look())
  readonly #balancing = new Coalesced(() => this.#balance())
  readonly #ear: Ear
  #lastLag = 0
  #stopped = false

  constructor(parts: PostgresParts, options: ConsumeOptions) {
    this.#parts = parts
    this.#options = options
    this.#membership = new Membership(parts.pool, parts.session, options.group, options.topics)
    this.#timers = [setInterval(() => this.#beat(), parts.pace.heartbeat), setInterval(() => this.#polling.ask(), parts.pace.poll)]
    this.#ear = {
      onRecords: (topic) => {
        if (options.topics.includes(topic)) this.#polling.ask()
      },
      onGroup: (group) => {
        if (group === options.group) this.#balancing.ask()
      },
      // The member's lock is gone with the session: others may read its partitions from now on.
      onLost: () => this.#giveUp(),
      onBack: () => this.#balancing.ask(),
    }
    parts.session.add(this.#ear)
  }

  get paused(): readonly Paused[] {
    return [...this.#readings.values()].flatMap(({ work: { topic, partition, standsStill } }) =>
      standsStill === undefined ? [] : [{ topic, partition, reason: standsStill }],
    )
  }

  resume(topic: string, partition: number): void {
    this.#readings.get(keyOf(topic, partition))?.work.resume()
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#parts.session.remove(this.#ear)
    const { group } = this.#options
    await bounded(this.#balancing.idle(), stopWithin_ms)
    await bounded(this.#dropAll(), stopWithin_ms)
    await this.#membership
      .leave()
      .catch((error) => this.#parts.log('debug', `the group ${group} could not be left in order`, { error: asError(error).message }))
    await this.#polling.idle()
  }

  #beat(): void {
    if (this.#membership.isSilent && this.#readings.size > 0) {
      this.#parts.log('warn', `the group ${this.#options.group} could not be reached: its partitions are given up`, {})
      this.#giveUp()
    }
    this.#balancing.ask()
  }

  #giveUp(): void {
    this.#membership.forget()
    void this.#dropAll()
  }

  async #balance(): Promise<void> {
    if (this.#stopped) return
    try {
      const held = await this.#membership.balance()
      if (this.#stopped) return
      if (held === undefined) await this.#dropAll()
      else this.#takeUp(held)
    } catch (error) {
      if (!this.#stopped) this.#options.onError(asError(error))
    }
  }

  #takeUp(held: readonly Held[]): void {
    const keys = new Set(held.map(({ topic, partition }) => keyOf(topic, partition)))
    for (const key of this.#readings.keys()) if (!keys.has(key)) void this.#drop(key)
    for (const one of held) {
      const key = keyOf(one.topic, one.partition)
      if (!one.wanted) void this.#release(one)
      else if (!this.#readings.has(key) && !this.#releasing.has(key)) {
        const reading = this.#createReading(one)
        this.#readings.set(key, reading)
        reading.work.begin()
      }
    }
  }

  #createReading({ topic, number, partition }: Held): Reading {
    const bounds = async (): Promise<Ends> => {
      const found = (await this.#parts.store.bounds(topic)).find((one) => one.partition === partition)
      if (found === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
      return found
    }
    const feed = { topic, partition, bounds, flow: () => this.#polling.ask(), halt: () => undefined }
    return { work: new PartitionWork(this.#options, feed, this.#parts.pace), topic: { name: topic, number }, pumping: false }
  }

  /** The partition goes to another member: after what is being handled, never during it. */
  async #release(held: Held): Promise<void> {
    const key = keyOf(held.topic, held.partition)
    if (this.#releasing.has(key)) return
    this.#releasing.add(key)
    try {
      await this.#drop(key)
      await this.#membership.release(held)
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

  /** One statement for all partitions: which have something new, and whether what is wanted next is still there. */
  async #look(): Promise<void> {
    const flowing = [...this.#readings.values()].filter(({ work }) => work.position !== undefined)
    if (this.#stopped || flowing.length === 0) return
    try {
      const before = new Map(flowing.map((reading) => [reading, reading.work.position]))
      const values = [flowing.map(({ topic }) => topic.number), flowing.map(({ work }) => work.partition)]
      const { rows } = await this.#parts.pool.query<{ topic: number; partition: number; first: string; next: string }>(
        boundsStatement,
        values,
      )
      const found = new Map(rows.map((row) => [`${row.topic}/${row.partition}`, { first: BigInt(row.first), next: BigInt(row.next) }]))
      const lags = flowing.flatMap((reading) =>
        this.#lagOf(reading, before.get(reading), found.get(`${reading.topic.number}/${reading.work.partition}`)),
      )
      this.#tellLag(lags)
    } catch (error) {
      if (!this.#stopped) this.#options.onError(asError(error))
    }
  }

  #tellLag(lags: readonly Lag[]): void {
    if (performance.now() - this.#lastLag < this.#parts.pace.watch) return
    this.#lastLag = performance.now()
    this.#options.onLag?.(lags)
  }

  #lagOf(reading: Reading, before: bigint | undefined, ends: Ends | undefined): readonly Lag[] {
    const { work } = reading
    // The topic was deleted, and perhaps made again: then its partitions come with the next balance.
    if (ends === undefined) return []
    work.check(ends, before)
    const { position, topic, partition } = work
    if (position === undefined) return []
    if (ends.next > position) void this.#pump(reading)
    return [{ topic, partition, ...ends, position, lag: ends.next > position ? ends.next - position : 0n }]
  }

  /** Reads on until it has seen the end. */
  async #pump(reading: Reading): Promise<void> {
    if (reading.pumping) return
    reading.pumping = true
    const { work, topic } = reading
    try {
      for (let position = work.position; position !== undefined; position = work.position) {
        const records = await this.#parts.store.read(topic, work.partition, position)
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
