import { randomUUID } from 'node:crypto'
import { eventually } from '@rondo/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { OffsetOutOfRange } from './error.ts'
import type { Bus, BusRecord, ConsumeOptions, Consumer, Place, StoredRecord, TopicSpec } from './port.ts'

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

const patience = { within: 20_000 }

const record = (key: string, partition: number, value = key): BusRecord => ({
  key,
  partition,
  value: Buffer.from(value),
  headers: { 'ce-id': key, text: 'ä€😀' },
})

const numbered = (from: number, count: number, partition: number): readonly BusRecord[] =>
  Array.from({ length: count }, (_, index) => record(`k${from + index}`, partition))

/** A consumer as services are: what it has read and where it goes on are written down together. */
class Reader {
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

  keep(batch: readonly StoredRecord[]): void {
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

  keys(partition?: number): readonly string[] {
    return this.seen.filter((one) => partition === undefined || one.partition === partition).map(({ key }) => key)
  }

  standing(partition: number): string | undefined {
    return this.consumer?.paused.find((one) => one.partition === partition)?.reason
  }
}

const keysOf = (records: readonly BusRecord[]): readonly string[] => records.map(({ key }) => key)

/** The suite that every adapter of the bus passes. `when` guards it, such as by `needs('kafka')`. */
export function busConformance(
  name: string,
  createHarness: () => Promise<BusHarness>,
  when: { readonly met: boolean } = { met: true },
): void {
  describe(`bus on ${name}`, () => {
    let harness: BusHarness
    let bus: Bus
    const opened: Bus[] = []

    const open = async (): Promise<Bus> => {
      const one = await harness.open()
      opened.push(one)
      return one
    }

    const topic = async (partitions: number): Promise<string> => {
      const name = `rondo.test.${randomUUID().slice(0, 8)}`
      await bus.ensure([{ name, partitions, retentionMs: -1 }])
      return name
    }

    const read = (topics: readonly string[], overrides: Partial<ConsumeOptions> = {}, positions?: Map<string, bigint>): Promise<Reader> =>
      new Reader(positions, overrides).join(bus, topics, `group-${randomUUID().slice(0, 8)}`)

    beforeAll(async () => {
      if (!when.met) return
      harness = await createHarness()
      bus = await open()
    })
    afterEach(async () => {
      // All but the first, which the tests share.
      await Promise.all(opened.splice(1).map((one) => one.close()))
    })
    afterAll(async () => {
      await Promise.all(opened.map((one) => one.close()))
      await harness?.close()
    })

    describe('topics', () => {
      test('are made once, also by several at once', async () => {
        const spec = { name: `rondo.test.${randomUUID().slice(0, 8)}`, partitions: 3 }
        await Promise.all([(await open()).ensure([spec]), (await open()).ensure([spec]), bus.ensure([spec])])
        expect(await bus.bounds(spec.name)).toEqual([0, 1, 2].map((partition) => ({ partition, first: 0n, next: 0n })))
      })

      test('with another number of partitions are an error that says so', async () => {
        const name = await topic(2)
        await expect(bus.ensure([{ name, partitions: 3 }])).rejects.toMatchObject({
          code: 'partition_mismatch',
          message: expect.stringContaining(`${name} has 2 partitions, 3 are wanted`),
        })
      })

      test('that are not there are named', async () => {
        await expect(bus.send('rondo.test.nowhere', [record('k', 0)])).rejects.toMatchObject({ code: 'unknown_topic' })
        await expect(bus.bounds('rondo.test.nowhere')).rejects.toMatchObject({ code: 'unknown_topic' })
        await expect(bus.topicId('rondo.test.nowhere')).rejects.toMatchObject({ code: 'unknown_topic' })
      })

      test('have an identity that ends when they are made again', async () => {
        const name = await topic(1)
        const before = await bus.topicId(name)
        expect(await (await open()).topicId(name)).toBe(before)
        await harness.recreate({ name, partitions: 1 })
        expect(await eventually(async () => (await bus.topicId(name)) !== before, patience)).toBe(true)
      })
    })

    describe('sending', () => {
      test('keeps key, value, headers and order, and tells the places', async () => {
        const name = await topic(2)
        const records = [record('a', 1), { ...record('b', 0), value: null }, record('c', 1, 'ä€'), record('d', 1)]
        const places = await bus.send(name, records)
        expect(places).toEqual<Place[]>([
          { partition: 1, offset: 0n },
          { partition: 0, offset: 0n },
          { partition: 1, offset: 1n },
          { partition: 1, offset: 2n },
        ])
        const reader = await read([name])
        await eventually(() => reader.seen.length === 4, patience)
        expect(reader.keys(1)).toEqual(['a', 'c', 'd'])
        const [first, tombstone] = [reader.seen.find(({ key }) => key === 'c'), reader.seen.find(({ key }) => key === 'b')]
        expect(Buffer.from(first?.value ?? []).toString()).toBe('ä€')
        expect(first?.headers).toEqual({ 'ce-id': 'c', text: 'ä€😀' })
        expect(tombstone?.value).toBeNull()
        expect(Math.abs((first?.timestamp.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
      })

      test('finds the partition of a key, the same from every bus', async () => {
        const name = await topic(5)
        const keys = Array.from({ length: 30 }, (_, index) => ({ key: `stream-${index}`, value: null, headers: {} }))
        const [one, other] = [await bus.send(name, keys), await (await open()).send(name, keys)]
        expect(other.map(({ partition }) => partition)).toEqual(one.map(({ partition }) => partition))
        expect(new Set(one.map(({ partition }) => partition)).size).toBe(5)
      })

      test('is durable when it resolves: another bus reads it at once', async () => {
        const name = await topic(1)
        await bus.send(name, numbered(0, 3, 0))
        expect(await (await open()).tail(name, 0)).toMatchObject({ key: 'k2', offset: 2n, partition: 0, topic: name })
      })

      test('a batch larger than the broker takes is cut, in order', async () => {
        const name = await topic(1)
        await harness.limit(name, 8192)
        const records = Array.from({ length: 12 }, (_, index) => record(`big-${index}`, 0, 'x'.repeat(2000)))
        const places = await (await open()).send(name, records)
        expect(places.map(({ offset }) => offset)).toEqual(records.map((_, index) => BigInt(index)))
        const reader = await read([name])
        await eventually(() => reader.seen.length === 12, patience)
        expect(reader.keys()).toEqual(keysOf(records))
      })

      test('a limit that was lowered after the first send is noticed', async () => {
        const name = await topic(1)
        await bus.send(name, numbered(0, 1, 0))
        await harness.limit(name, 8192)
        const records = Array.from({ length: 12 }, (_, index) => record(`big-${index}`, 0, 'x'.repeat(2000)))
        await bus.send(name, records)
        expect(await bus.bounds(name)).toEqual([{ partition: 0, first: 0n, next: 13n }])
      })

      test('a record over the limit is refused with its size, and nothing of its batch is sent', async () => {
        const name = await topic(1)
        await harness.limit(name, 8192)
        const other = await open()
        await expect(other.send(name, [record('small', 0), record('large', 0, 'x'.repeat(20_000))])).rejects.toMatchObject({
          code: 'too_large',
          details: { key: 'large', index: 1, limit: expect.any(Number), bytes: expect.any(Number) },
        })
        expect(await other.tail(name, 0)).toBeUndefined()
        await other.send(name, [record('small', 0)])
        expect(await other.tail(name, 0)).toMatchObject({ key: 'small' })
      })

      test('two producers committing in any order leave no gap and turn nothing round', async () => {
        const name = await topic(2)
        const producers = [bus, await open()]
        const reader = await read([name])
        const sends = producers.flatMap((one, index) =>
          Array.from({ length: 40 }, (_, at) => one.send(name, [record(`${index}-${at}`, at % 2), record(`${index}-${at}+`, at % 2)])),
        )
        const places = (await Promise.all(sends)).flat()
        for (const partition of [0, 1]) {
          const offsets = places.filter((place) => place.partition === partition).map(({ offset }) => Number(offset))
          expect(offsets.sort((one, other) => one - other)).toEqual(Array.from({ length: 80 }, (_, index) => index))
        }
        await eventually(() => reader.seen.length >= 160, patience)
        for (const partition of [0, 1]) {
          const own = reader.seen.filter((one) => one.partition === partition)
          expect(own.map(({ offset }) => Number(offset))).toEqual(Array.from({ length: 80 }, (_, index) => index))
          for (const index of [0, 1]) {
            const turns = own.filter(({ key }) => key.startsWith(`${index}-`) && !key.endsWith('+')).map(({ key }) => Number(key.slice(2)))
            expect(turns).toEqual([...turns].sort((one, other) => one - other))
          }
        }
      })
    })

    describe('the ends of a partition', () => {
      test('bounds and tail follow what is sent and deleted', async () => {
        const name = await topic(2)
        expect(await bus.tail(name, 1)).toBeUndefined()
        await bus.send(name, numbered(0, 5, 1))
        expect(await bus.bounds(name)).toEqual([
          { partition: 0, first: 0n, next: 0n },
          { partition: 1, first: 0n, next: 5n },
        ])
        expect(await bus.tail(name, 1)).toMatchObject({ key: 'k4', offset: 4n })
        await harness.deleteRecords(name, 1, 5n)
        expect(await bus.bounds(name)).toContainEqual({ partition: 1, first: 5n, next: 5n })
        expect(await bus.tail(name, 1)).toBeUndefined()
      })

      test('a partition that does not exist is an error', async () => {
        await expect(bus.tail(await topic(1), 1)).rejects.toMatchObject({ code: 'partition_mismatch' })
      })
    })

    describe('consuming', () => {
      test('goes on from the stored offset', async () => {
        const name = await topic(1)
        await bus.send(name, numbered(0, 4, 0))
        const reader = await read([name], {}, new Map([[`${name}/0`, 2n]]))
        await bus.send(name, numbered(4, 2, 0))
        await eventually(() => reader.seen.length >= 4, patience)
        expect(reader.keys()).toEqual(['k2', 'k3', 'k4', 'k5'])
      })

      test('members share the partitions, and nothing is lost or read twice when they come and go', async () => {
        const name = await topic(6)
        const group = `group-${randomUUID().slice(0, 8)}`
        const positions = new Map<string, bigint>()
        const busy = new Map<number, string>()
        const overlaps: string[] = []
        const member = async (label: string): Promise<Reader> => {
          const reader: Reader = new Reader(positions, {
            handle: async (batch) => {
              const partition = batch[0]?.partition ?? -1
              if (busy.has(partition)) overlaps.push(`${partition}: ${busy.get(partition)} and ${label}`)
              busy.set(partition, label)
              await new Promise(setImmediate)
              reader.keep(batch)
              busy.delete(partition)
            },
          })
          return reader.join(await open(), [name], group)
        }
        let sent = 0
        const send = async (): Promise<void> => {
          await bus.send(
            name,
            [0, 1, 2, 3, 4, 5].map((partition) => record(`k${sent}`, partition)),
          )
          sent += 1
        }
        const members = [await member('a')]
        const seen = () => members.flatMap((one) => one.seen)
        const all = () => seen().length >= sent * 6
        await send()
        await eventually(all, patience)
        members.push(await member('b'))
        // Until both read something, more is sent.
        await eventually(
          async () => {
            await send()
            return members.every((one) => one.seen.length > 0)
          },
          { within: 40_000, every: 100 },
        )
        await eventually(all, patience)
        await members[0]?.consumer?.stop()
        const before = members[1]?.seen.length ?? 0
        await send()
        await eventually(() => (members[1]?.seen.length ?? 0) - before >= 6, { within: 40_000 })
        expect(overlaps).toEqual([])
        for (const partition of [0, 1, 2, 3, 4, 5]) {
          const keys = seen()
            .filter((one) => one.partition === partition)
            .map(({ key }) => key)
          expect([...keys].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))).toEqual(
            Array.from({ length: sent }, (_, index) => `k${index}`),
          )
        }
      }, 120_000)

      test('a rejection stops its partition only, is told, and tried again until it succeeds', async () => {
        const name = await topic(2)
        let broken = true
        const reader: Reader = await read([name], {
          handle: async (batch) => {
            if (broken && batch[0]?.partition === 0) throw new Error('the database is away')
            reader.keep(batch)
          },
        })
        await bus.send(name, [...numbered(0, 3, 0), ...numbered(0, 3, 1)])
        await eventually(() => reader.keys(1).length === 3 && reader.errors.length >= 2, patience)
        expect(reader.errors[0]).toMatchObject({ error: { message: 'the database is away' }, topic: name, partition: 0 })
        expect(reader.keys(0)).toEqual([])
        await bus.send(name, numbered(3, 1, 1))
        await eventually(() => reader.keys(1).length === 4, patience)
        await eventually(() => reader.standing(0)?.includes('the database is away'), patience)
        broken = false
        await eventually(() => reader.keys(0).length === 3, patience)
        expect(reader.keys(0)).toEqual(['k0', 'k1', 'k2'])
        expect(reader.standing(0)).toBeUndefined()
      })

      test('a retry goes on after what was written before the failure', async () => {
        const name = await topic(1)
        await bus.send(name, numbered(0, 3, 0))
        let failed = false
        const reader: Reader = await read([name], {
          handle: async (batch) => {
            if (failed) return reader.keep(batch)
            failed = true
            reader.keep(batch.slice(0, 1))
            throw new Error('half way')
          },
        })
        await eventually(() => reader.seen.length === 3, patience)
        expect(reader.keys()).toEqual(['k0', 'k1', 'k2'])
      })

      test('an error of start is told and tried again', async () => {
        const name = await topic(1)
        await bus.send(name, numbered(0, 1, 0))
        let asked = 0
        const reader = await read([name], {
          start: async () => {
            asked += 1
            if (asked < 3) throw new Error('no offsets yet')
            return 0n
          },
        })
        await eventually(() => reader.seen.length === 1, patience)
        expect(reader.errors.map(({ error }) => error.message)).toEqual(['no offsets yet', 'no offsets yet'])
      })

      test('pause stands still with its reason until resume', async () => {
        const name = await topic(2)
        const reader: Reader = await read([name], {
          handle: async (batch, control) => {
            reader.keep(batch)
            if (batch.some(({ key }) => key === 'stop')) control.pause('a fact newer than we know')
          },
        })
        await bus.send(name, [record('stop', 0)])
        await eventually(() => reader.standing(0) === 'a fact newer than we know', patience)
        await bus.send(name, [record('later', 0), record('other', 1)])
        await eventually(() => reader.keys(1).length === 1, patience)
        expect(reader.keys(0)).toEqual(['stop'])
        reader.consumer?.resume(name, 0)
        await eventually(() => reader.keys(0).length === 2, patience)
        expect(reader.keys(0)).toEqual(['stop', 'later'])
        expect(reader.consumer?.paused).toEqual([])
      })

      test('pause wins over the retry of a batch that also failed', async () => {
        const name = await topic(1)
        let broken = true
        const reader: Reader = await read([name], {
          handle: async (batch, control) => {
            if (!broken) return reader.keep(batch)
            control.pause('not this one')
            throw new Error('cannot')
          },
        })
        await bus.send(name, numbered(0, 2, 0))
        await eventually(() => reader.standing(0) === 'not this one', patience)
        expect(reader.errors.map(({ error }) => error.message)).toEqual(['cannot'])
        broken = false
        reader.consumer?.resume(name, 0)
        await eventually(() => reader.keys().length === 2, patience)
      })

      test('seek reads again from there', async () => {
        const name = await topic(1)
        let sought = false
        const reader: Reader = await read([name], {
          handle: async (batch, control) => {
            reader.keep(batch)
            if (!sought && batch.at(-1)?.key === 'k3') {
              sought = true
              control.seek(1n)
            }
          },
        })
        await bus.send(name, numbered(0, 4, 0))
        await eventually(() => reader.seen.length === 7, patience)
        expect(reader.keys()).toEqual(['k0', 'k1', 'k2', 'k3', 'k1', 'k2', 'k3'])
      })

      test('an offset that retention has passed is an error, not a jump; closing the gap goes on', async () => {
        const name = await topic(2)
        await bus.send(name, [...numbered(0, 4, 0), ...numbered(0, 1, 1)])
        await harness.deleteRecords(name, 0, 3n)
        const reader = await read([name], {}, new Map([[`${name}/0`, 1n]]))
        const told = await eventually(() => reader.errors[0], patience)
        expect(told.error).toBeInstanceOf(OffsetOutOfRange)
        expect((told.error as OffsetOutOfRange).range).toEqual({ topic: name, partition: 0, wanted: 1n, first: 3n, next: 4n })
        await eventually(() => reader.keys(1).length === 1, patience)
        expect(reader.standing(0)).toMatch(/offset 1 is wanted, there are 3 to 4/)
        expect(reader.keys(0)).toEqual([])
        reader.positions.set(`${name}/0`, 3n)
        reader.consumer?.resume(name, 0)
        await eventually(() => reader.keys(0).length === 1, patience)
        expect(reader.keys(0)).toEqual(['k3'])
      })

      test('an offset ahead of the end is an error too', async () => {
        const name = await topic(1)
        await bus.send(name, numbered(0, 2, 0))
        const reader = await read([name], {}, new Map([[`${name}/0`, 7n]]))
        const told = await eventually(() => reader.errors[0], patience)
        expect(told).toMatchObject({ error: { code: 'offset_out_of_range', range: { wanted: 7n, first: 0n, next: 2n } } })
        await bus.send(name, numbered(2, 8, 0))
        expect(reader.seen).toEqual([])
      })

      test('records deleted under a reader that stands still are noticed when it goes on', async () => {
        const name = await topic(1)
        let away = true
        const reader: Reader = await read([name], {
          handle: async (batch) => {
            if (away) throw new Error('away')
            reader.keep(batch)
          },
        })
        await bus.send(name, numbered(0, 4, 0))
        reader.positions.set(`${name}/0`, 0n)
        await eventually(() => reader.errors.length > 0, patience)
        await harness.deleteRecords(name, 0, 2n)
        away = false
        await eventually(() => reader.errors.some(({ error }) => error instanceof OffsetOutOfRange), patience)
        expect(reader.seen).toEqual([])
      })

      test('lag is told', async () => {
        const name = await topic(1)
        const lags: bigint[] = []
        const reader = await read([name], { onLag: (all) => lags.push(...all.filter((one) => one.position === 3n).map(({ lag }) => lag)) })
        await bus.send(name, numbered(0, 3, 0))
        await eventually(() => lags.length > 0, patience)
        expect(lags[0]).toBe(0n)
        expect(reader.keys()).toHaveLength(3)
      })
    })

    describe('the end', () => {
      test('stop waits for the batch being handled, tells its signal, and hands over nothing more', async () => {
        const name = await topic(1)
        const { promise: gate, resolve: pass } = Promise.withResolvers<void>()
        let signal: AbortSignal | undefined
        const reader: Reader = await read([name], {
          handle: async (batch, control) => {
            signal = control.signal
            await gate
            reader.keep(batch)
          },
        })
        await bus.send(name, numbered(0, 1, 0))
        await eventually(() => signal, patience)
        const stopping = reader.consumer?.stop()
        await eventually(() => signal?.aborted, patience)
        expect(reader.seen).toEqual([])
        pass()
        await stopping
        expect(reader.keys()).toEqual(['k0'])
        await bus.send(name, numbered(1, 1, 0))
        expect(reader.keys()).toEqual(['k0'])
      })

      test('close ends consumers and refuses what comes after', async () => {
        const name = await topic(1)
        const own = await open()
        const reader = await new Reader().join(own, [name], `group-${randomUUID().slice(0, 8)}`)
        await own.send(name, numbered(0, 1, 0))
        await eventually(() => reader.seen.length === 1, patience)
        await own.close()
        expect(reader.signals.every((signal) => signal.aborted)).toBe(true)
        await expect(own.send(name, numbered(1, 1, 0))).rejects.toMatchObject({ code: 'closed' })
        await expect(own.bounds(name)).rejects.toMatchObject({ code: 'closed' })
      })

      test('close is prompt with a consumer that waits for a retry', async () => {
        const name = await topic(1)
        const own = await open()
        const reader = await new Reader(new Map(), { handle: () => Promise.reject(new Error('never')) }).join(own, [name], 'group-never')
        await own.send(name, numbered(0, 1, 0))
        await eventually(() => reader.errors.length > 0, patience)
        await own.close()
        const errors = reader.errors.length
        await bus.send(name, numbered(1, 1, 0))
        expect(reader.errors.length).toBe(errors)
      })
    })

    test('an engine that goes and comes back: what was acknowledged is there, and readers go on', async () => {
      const name = await topic(2)
      const own = await open()
      const reader = await new Reader().join(own, [name], `group-${randomUUID().slice(0, 8)}`)
      await own.send(name, numbered(0, 2, 0))
      await eventually(() => reader.seen.length === 2, patience)

      const acknowledged: string[] = []
      let over = false
      const producing = (async () => {
        for (let index = 0; !over; index += 1) {
          const one = record(`s${index}`, index % 2)
          // Sent again until it is acknowledged, as the relay does.
          await eventually(() => own.send(name, [one]), { within: 60_000, every: 50 })
          acknowledged.push(one.key)
        }
      })()
      await eventually(() => acknowledged.length >= 5, patience)
      await harness.disturb()
      const then = acknowledged.length
      await eventually(() => acknowledged.length >= then + 5, { within: 60_000 })
      over = true
      await producing
      await eventually(() => acknowledged.every((key) => reader.keys().includes(key)), { within: 90_000 })
      for (const partition of [0, 1]) {
        const offsets = reader.seen.filter((one) => one.partition === partition).map(({ offset }) => Number(offset))
        expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, index) => index))
        const first = [...new Set(reader.keys(partition).filter((key) => key.startsWith('s')))]
        expect(first.map((key) => Number(key.slice(1)))).toEqual(first.map((_, index) => index * 2 + partition))
      }
    }, 180_000)
  })
}
