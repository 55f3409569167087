import { randomUUID } from 'node:crypto'
import { eventually } from '@rondo/testkit'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Bus, BusRecord, ConsumeOptions, Consumer, StoredRecord, TopicSpec } from '../port.ts'

/** What the suite needs of an engine beside the port. */
export interface BusHarness {
  /** A bus of its own connections, as another process would have it. `retryFirst` and `watch` of its pace are 100 ms or less. */
  open(): Promise<Bus>
  /** Deletes the records before the offset, as retention does. */
  deleteRecords(topic: string, partition: number, before: bigint): Promise<void>
  /** Deletes the topic and makes it again. */
  recreate(topic: TopicSpec): Promise<void>
  /** Lowers the limit of one batch. */
  limit(topic: string, bytes: number): Promise<void>
  /** Everything loses its connections; the records stay. Restarts the engine, or ends its sessions. */
  disturb(): Promise<void>
  close(): Promise<void>
}

export const patience = { within: 20_000 }

export const record = (key: string, partition: number, value = key): BusRecord => ({
  key,
  partition,
  value: Buffer.from(value),
  headers: { 'ce-id': key, text: 'ä€😀' },
})

export const numbered = (from: number, count: number, partition: number): readonly BusRecord[] =>
  Array.from({ length: count }, (_, index) => record(`k${from + index}`, partition))

/** A consumer as services are: what it has read and where it goes on are written down together. */
export class Reader {
  readonly seen: StoredRecord[] = []
  readonly positions: Map<string, bigint>
  readonly errors: { error: Error; topic?: string; partition?: number }[] = []
  readonly signals: AbortSignal[] = []
  consumer: Consumer | undefined
  readonly #overrides: Partial<ConsumeOptions>

  constructor(positions = new Map<string, bigint>(), overrides: Partial<ConsumeOptions> = {}) {
    this.positions = positions
    this.#overrides = overrides
  }

  keep(batch: Iterable<StoredRecord>): void {
    for (const one of batch) {
      this.seen.push(one)
      this.positions.set(`${one.topic}/${one.partition}`, one.offset + 1n)
    }
  }

  async join(bus: Bus, topics: readonly string[], group: string): Promise<this> {
    this.consumer = await bus.consume({
      group,
      topics,
      start: async (topic, partition) => this.positions.get(`${topic}/${partition}`) ?? 'first',
      handle: async (batch, control) => {
        this.signals.push(control.signal)
        this.keep(batch)
      },
      onError: (error, topic, partition) =>
        this.errors.push({ error, ...(topic === undefined ? {} : { topic }), ...(partition === undefined ? {} : { partition }) }),
      ...this.#overrides,
    })
    return this
  }

  /** As `eventually`, and tells what was read and what failed when it does not come. */
  until<Value>(condition: () => Value, { within = 10_000 } = {}): Promise<NonNullable<Exclude<Value, false>>> {
    return eventually(
      () => {
        const value = condition()
        if (value !== false && value !== undefined) return value
        throw new Error(`read ${this.keys().join(' ')}; errors: ${this.errors.map(({ error }) => error.message).join('; ')}`)
      },
      { within },
    )
  }

  keys(partition?: number): readonly string[] {
    return this.seen.filter((one) => partition === undefined || one.partition === partition).map(({ key }) => key)
  }

  standing(partition: number): string | undefined {
    return this.consumer?.paused.find((one) => one.partition === partition)?.reason
  }
}

export const keysOf = (records: readonly BusRecord[]): readonly string[] => records.map(({ key }) => key)

export interface Stage {
  /** The bus that all tests share. */
  readonly bus: Bus
  readonly harness: BusHarness
  /** Another bus, closed after the test. */
  open(): Promise<Bus>
  /** A new topic of that many partitions. */
  topic(partitions: number): Promise<string>
  /** A reader in a group of its own. */
  read(topics: readonly string[], overrides?: Partial<ConsumeOptions>, positions?: Map<string, bigint>): Promise<Reader>
}

export const newGroup = (): string => `group-${randomUUID().slice(0, 8)}`
export const newTopic = (): string => `rondo.test.${randomUUID().slice(0, 8)}`

/** Opens the harness before the tests of a suite and closes it after them. */
export function setStage(createHarness: () => Promise<BusHarness>, met: boolean): Stage {
  const opened: Bus[] = []
  let harness: BusHarness | undefined
  const get = (): BusHarness => {
    if (harness === undefined) throw new Error('the harness is open only while the tests run')
    return harness
  }
  const open = async (): Promise<Bus> => {
    const bus = await get().open()
    opened.push(bus)
    return bus
  }
  const stage: Stage = {
    get bus() {
      const [first] = opened
      if (first === undefined) throw new Error('the bus is open only while the tests run')
      return first
    },
    get harness() {
      return get()
    },
    open,
    async topic(partitions) {
      const name = newTopic()
      await stage.bus.ensure([{ name, partitions, retentionMs: -1 }])
      return name
    },
    read: (topics, overrides = {}, positions) => new Reader(positions, overrides).join(stage.bus, topics, newGroup()),
  }
  beforeAll(async () => {
    if (!met) return
    harness = await createHarness()
    await open()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(1).map((bus) => bus.close()))
  })
  afterAll(async () => {
    await Promise.all(opened.map((bus) => bus.close()))
    await harness?.close()
  })
  return stage
}
