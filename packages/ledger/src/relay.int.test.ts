import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Bus, migrateBus, postgresBus, type StoredRecord } from '@rondo/bus'
import { tell } from '@rondo/kernel'
import { eventually, needs, temporaryFolder } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { asRole, freshLedger, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { type OpenLedger, type RelayOptions, raiseEpoch, startRelay } from './index.ts'

const topic = 'rondo.testing.v1'
const partitions = 3
const soon = { within: 15_000 }

const encode: RelayOptions['encode'] = (event, { previous, epoch }) => ({
  key: `${event.stream}/${event.streamId}`,
  value: Buffer.from(JSON.stringify(event.data)),
  headers: {
    ce_id: event.id,
    ce_position: String(event.position),
    ce_previous: String(previous),
    ce_epoch: String(epoch),
    ce_recordedtime: event.recordedAt,
  },
})

/** As the ledger's database, and how often it was asked for what is to be sent. */
function counting({ database }: OpenLedger) {
  const asked: number[] = []
  const store: typeof database.store = {
    ...database.store,
    chainedAfter(position, ...rest) {
      asked.push(position)
      return database.store.chainedAfter(position, ...rest)
    },
  }
  return { asked, database: { ...database, store } }
}

needs('postgres18')
const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
})

async function setUp() {
  const { ownerUrl, url } = await freshLedger()
  await migrateBus(ownerUrl, { role: 'rondo_bus' })
  const bus = postgresBus({ url: asRole(ownerUrl, 'rondo_bus') })
  undo.push(() => bus.close())
  await bus.ensure([{ name: topic, partitions }])
  const ledgers = await Promise.all([open(url, { partitions }), open(url, { partitions })])
  undo.push(...ledgers.map((ledger) => () => ledger.close()))
  const [one, two] = ledgers
  return { bus, one: one!, two: two!, ownerUrl }
}
function relay(ledger: OpenLedger, bus: Pick<Bus, 'send' | 'last'>, given: Partial<RelayOptions> = {}) {
  const started = startRelay({ database: ledger.database, onCommit: ledger.onCommit, bus, topic, encode, ...given })
  undo.push(() => started.stop())
  return started
}
const fill = (ledger: OpenLedger, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => ledger.submit(unit([tell(order, `o-${n % 40}`, 'count', 1)]))))

/** Everything on the bus, by partition. */
async function records(bus: Bus): Promise<readonly StoredRecord[][]> {
  const read: StoredRecord[][] = Array.from({ length: partitions }, () => [])
  const all = await bus.bounds(topic)
  const consumer = await bus.consume({
    group: `reader-${Math.random()}`,
    topics: [topic],
    start: async () => 'first',
    handle: async (batch) => [...batch].forEach((record) => read[record.partition]?.push(record)),
    onError: (error) => {
      throw error
    },
  })
  await eventually(() => all.every(({ partition, next }) => BigInt(read[partition]?.length ?? 0) >= next), soon)
  await consumer.stop()
  return read
}
const marks = (partition: readonly StoredRecord[]) =>
  partition.map(({ headers }) => [Number(headers.ce_previous), Number(headers.ce_position)])
const unbroken = (partition: readonly StoredRecord[]) => marks(partition).every(([previous], n, all) => previous === (all[n - 1]?.[1] ?? 0))
const tailsReach = async (bus: Bus, ledger: OpenLedger, count: number) => {
  const events = await ledger.events(0, count)
  const wanted = new Map(events.map(({ partition, position }) => [partition, position]))
  return eventually(async () => {
    for (const [partition, position] of wanted)
      if (Number((await bus.tail(topic, partition))?.headers.ce_position ?? 0) < position) return false
    return true
  }, soon)
}

describe('a relay', () => {
  test('sends each event once, in order, to the partition it was given, with what stands before it', async () => {
    const { bus, one, two } = await setUp()
    await fill(one, 300)
    relay(one, bus)
    await Promise.all([fill(one, 300), fill(two, 300)])
    await tailsReach(bus, one, 1_000)
    const all = await records(bus)
    expect(all.flat()).toHaveLength(900)
    expect(all.every(unbroken)).toBe(true)
    const events = new Map((await one.events(0, 1_000)).map((event) => [event.id, event]))
    for (const { headers, partition } of all.flat()) expect(events.get(headers.ce_id ?? '')?.partition).toBe(partition)
  })

  test('is woken by the commits of another process', async () => {
    const { bus, one, two } = await setUp()
    const states: string[] = []
    relay(one, bus, { onState: ({ state }) => states.push(state) })
    await eventually(() => states.includes('running'), soon)
    await fill(two, 1)
    await tailsReach(bus, one, 1)
  })

  test('sends what its process has written without reading it back', async () => {
    const { bus, one } = await setUp()
    const { asked, database } = counting(one)
    const running = relay(one, bus, { database })
    await eventually(() => running.state.state === 'running', soon)
    asked.splice(0)
    for (let n = 1; n <= 5; n += 1) {
      await fill(one, 1)
      await tailsReach(bus, one, n)
    }
    expect(asked).toEqual([])
    expect((await records(bus)).every(unbroken)).toBe(true)
    expect((await one.sql<{ position: string }>('select position from relay'))[0]?.position).toBe('5')
  })

  test('reads what lies between what its process has written', async () => {
    const { bus, one, two } = await setUp()
    const { asked, database } = counting(one)
    const running = relay(one, bus, { database })
    await eventually(() => running.state.state === 'running', soon)
    for (let n = 1; n <= 5; n += 1) {
      await fill(two, 1)
      await fill(one, 1)
    }
    await tailsReach(bus, one, 10)
    const all = await records(bus)
    expect(all.flat()).toHaveLength(10)
    expect(all.every(unbroken)).toBe(true)
    expect(asked.length).toBeGreaterThan(1)
  })

  test('reads again what has waited long for the bus', async () => {
    const { bus, one } = await setUp()
    const { asked, database } = counting(one)
    const held = Promise.withResolvers<void>()
    let sends = 0
    const holding: Pick<Bus, 'send' | 'last'> = {
      last: (...of) => bus.last(...of),
      async send(...of) {
        sends += 1
        if (sends === 1) await held.promise
        return bus.send(...of)
      },
    }
    const running = relay(one, holding, { database })
    await eventually(() => running.state.state === 'running', soon)
    await fill(one, 1)
    await eventually(() => sends === 1, soon)
    asked.splice(0)
    await fill(one, 1)
    const since = performance.now()
    await eventually(() => performance.now() - since > 2_100, soon)
    held.resolve()
    await tailsReach(bus, one, 2)
    expect(asked).toContain(1)
  })

  test('names the ends of the plan before with the first of a larger one, which it has not read back either', async () => {
    const { bus, one, ownerUrl } = await setUp()
    const ends: (readonly number[] | undefined)[] = []
    const running = relay(one, bus, {
      encode(event, chain) {
        ends[event.position] = chain.after
        return encode(event, chain)
      },
    })
    await eventually(() => running.state.state === 'running', soon)
    await fill(one, 1)
    await tailsReach(bus, one, 1)
    const client = new pg.Client({ connectionString: ownerUrl, options: '-c search_path=testing' })
    await client.connect()
    const { rows } = await client.query<{ tails: string[] }>('select tails from head')
    await client.query('select grow($1)', [partitions + 1])
    await client.end()
    await bus.ensure([{ name: topic, partitions: partitions + 1 }])
    await fill(one, 1)
    await eventually(async () => (await one.sql<{ position: string }>('select position from relay'))[0]?.position === '2', soon)
    expect(ends.slice(1)).toEqual([undefined, rows[0]?.tails.map(Number)])
  })

  test('stops at the first failed send and goes on there: duplicates, no gaps, no inversion', async () => {
    const { bus, one } = await setUp()
    await fill(one, 1_000)
    let sends = 0
    const failing: Pick<Bus, 'send' | 'last'> = {
      last: (...of) => bus.last(...of),
      async send(...of) {
        sends += 1
        if (sends % 3 === 1) throw new Error('nobody took it')
        const places = await bus.send(...of)
        if (sends % 3 === 2) throw new Error('it was taken, the answer was lost')
        return places
      },
    }
    relay(one, failing)
    await tailsReach(bus, one, 2_000)
    for (const partition of await records(bus)) {
      const positions = partition.map(({ headers }) => Number(headers.ce_position))
      let highest = 0
      // what is new follows the highest so far; what is not new was seen before
      for (const [index, position] of positions.entries()) {
        if (position > highest) expect(Number(partition[index]?.headers.ce_previous)).toBe(highest)
        highest = Math.max(highest, position)
      }
      expect(new Set(positions).size).toBeLessThan(positions.length)
    }
  })

  test('two relays at once: the second stands by and takes over; a restart goes on where the first was', async () => {
    const { bus, one, two } = await setUp()
    const first = relay(one, bus)
    await eventually(() => first.state.state === 'running', soon)
    const second = relay(two, bus)
    await fill(one, 100)
    await tailsReach(bus, one, 100)
    expect(second.state.state).toBe('standby')
    await first.stop()
    await fill(two, 100)
    await eventually(() => second.state.state === 'running', soon)
    await tailsReach(bus, one, 200)
    const all = await records(bus)
    expect(all.flat()).toHaveLength(200)
    expect(all.every(unbroken)).toBe(true)
  })
})

describe('a relay of an older copy', () => {
  test('stops where the bus knows more than the ledger, until the epoch is raised', async () => {
    const { bus, one, two } = await setUp()
    await bus.send(topic, [{ key: 'k', value: null, headers: { ce_position: '7', ce_epoch: '1' }, partition: 1 }])
    const restored = relay(one, bus)
    await eventually(() => restored.state.state === 'restored_backup', soon)
    // Who does not send shall know it too, before it records anything
    const waiting = relay(two, bus)
    await eventually(() => waiting.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(1)
    expect(await raiseEpoch({ database: one.database, bus, topic })).toBe(2)
    await eventually(() => restored.state.state === 'running', soon)
    await fill(one, 1)
    await eventually(async () => (await records(bus)).flat().some(({ headers }) => headers.ce_epoch === '2'), soon)
  })

  test('sends what an older copy shares with the bus neither again nor as news; the epoch it begins is above all that are known', async () => {
    const { bus, one } = await setUp()
    const first = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await first.stop()
    // The copy was made before it was noted that these were sent; its bus has seen what it gave up, and an epoch of another restore
    await one.sql('update relay set position = 0')
    await bus.send(topic, [{ key: 'k', value: null, headers: { ce_position: '9', ce_epoch: '3' }, partition: 1 }])
    const restored = relay(one, bus)
    await eventually(() => restored.state.state === 'restored_backup', soon)
    expect(await raiseEpoch({ database: one.database, bus, topic })).toBe(4)
    await eventually(() => restored.state.state === 'running', soon)
    await fill(one, 3)
    await eventually(() => restored.state.state === 'running' && restored.state.position === 8, soon)
    const sent = (await records(bus)).flat().map(({ headers }) => `${headers.ce_epoch}/${headers.ce_position}`)
    expect(sent.sort()).toEqual(['1/1', '1/2', '1/3', '1/4', '1/5', '3/9', '4/6', '4/7', '4/8'])
  })

  test('that runs sends nothing under an old epoch, and stands by once its lease is lost', async () => {
    const { bus, one } = await setUp()
    const running = relay(one, bus)
    await fill(one, 1)
    await tailsReach(bus, one, 1)
    expect(await raiseEpoch({ database: one.database, bus, topic })).toBe(2)
    await fill(one, 3)
    await tailsReach(bus, one, 4)
    const epochs = (await records(bus)).flat().map(({ headers }) => [Number(headers.ce_position), headers.ce_epoch])
    expect(Object.fromEntries(epochs)).toEqual({ 1: '1', 2: '2', 3: '2', 4: '2' })
    await one.sql("update relay set holder = 'another', held_until = clock_timestamp() + interval '1 minute'")
    await fill(one, 1)
    await eventually(() => running.state.state === 'standby', soon)
  })

  /** As an older copy has it: of what came behind the position nothing is known. */
  async function goBack(ownerUrl: string, position: number) {
    const client = new pg.Client({ connectionString: ownerUrl, options: '-c search_path=testing' })
    await client.connect()
    await client.query('delete from event where position > $1', [position])
    await client.query('update relay set position = least(position, $1)', [position])
    await client.query(
      `update head set position = $1, tails = (select array_agg(coalesce((select max(position) from event where partition = n), 0) order by n)
         from generate_series(0, $2 - 1) n)`,
      [position, partitions],
    )
    await client.end()
  }

  test('that runs sends nothing of an older copy that has taken the place of its ledger, however far that has grown', async () => {
    const { bus, one, ownerUrl } = await setUp()
    const running = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await goBack(ownerUrl, 2)
    await fill(one, 30)
    await eventually(() => running.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(5)
    await raiseEpoch({ database: one.database, bus, topic })
    await tailsReach(bus, one, 32)
    expect((await records(bus)).flat().filter(({ headers }) => headers.ce_epoch === '2')).toHaveLength(30)
  })

  test('notices an older copy although a request that was done late lies behind the newest', async () => {
    const { bus, one, ownerUrl } = await setUp()
    const first = relay(one, bus)
    await fill(one, 40)
    await tailsReach(bus, one, 40)
    await first.stop()
    const events = await one.events(0, 40)
    const late = [0, 1, 2].flatMap((partition) => events.find((event) => event.partition === partition) ?? [])
    expect(late).toHaveLength(3)
    await bus.send(
      topic,
      late.map((event) => ({ ...encode(event, { previous: 0, epoch: 1 }), partition: event.partition })),
    )
    await goBack(ownerUrl, Math.max(...late.map(({ position }) => position)))
    const second = relay(one, bus)
    await eventually(() => second.state.state === 'restored_backup', soon)
    expect(second.state).toMatchObject({ reason: expect.stringMatching(/knows position \d+ \(epoch 1\), the ledger only/) })
  })

  test('that runs sends nothing of an older copy that others have filled up to where it stands', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    const running = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    await eventually(async () => (await one.sql<{ position: string }>('select position from relay'))[0]?.position === '5', soon)
    await goBack(ownerUrl, 2)
    await fill(two, 3)
    await fill(one, 1)
    await eventually(() => running.state.state === 'restored_backup', soon)
    expect((await records(bus)).flat()).toHaveLength(5)
  })

  test('tells an older copy that has grown past what was sent by what lies there', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    const first = relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    const waiting = relay(two, bus)
    await eventually(() => waiting.state.state === 'standby', soon)
    await first.stop()
    await waiting.stop()
    await goBack(ownerUrl, 2)
    await fill(one, 30)
    const second = relay(one, bus)
    await eventually(() => second.state.state === 'restored_backup', soon)
    expect(second.state).toMatchObject({ reason: expect.stringMatching(/knows position \d+ \(epoch 1\) as .*: an older backup/) })
  })

  test('that stands by notices an older copy, too', async () => {
    const { bus, one, two, ownerUrl } = await setUp()
    relay(one, bus)
    await fill(one, 5)
    await tailsReach(bus, one, 5)
    const waiting = relay(two, bus)
    await eventually(() => waiting.state.state === 'standby', soon)
    await goBack(ownerUrl, 2)
    await eventually(() => waiting.state.state === 'restored_backup', soon)
  })

  test('keeps a mark outside of the data folder, and believes it', async () => {
    const { bus, one } = await setUp()
    const folder = temporaryFolder('mark')
    undo.push(() => rm(folder, { recursive: true }))
    const highWaterFile = join(folder, 'high-water.json')
    const first = relay(one, bus, { highWaterFile })
    await fill(one, 5)
    await eventually(async () => JSON.parse(await readFile(highWaterFile, 'utf8')).position === 5, soon)
    await first.stop()
    await writeFile(highWaterFile, JSON.stringify({ epoch: 1, position: 9 }))
    const second = relay(one, bus, { highWaterFile })
    await eventually(() => second.state.state === 'restored_backup', soon)
    expect(second.state).toMatchObject({ reason: expect.stringContaining('knows position 9 (epoch 1), the ledger only 5') })
  })
})
