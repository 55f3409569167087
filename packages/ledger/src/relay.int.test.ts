import type { Bus } from '@rondo/bus'
import { eventually, needs } from '@rondo/testkit'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { encode, fill, partitions, records, relay, setUp, soon, tailsReach, topic, unbroken } from '../test/relay-stage.ts'
import type { OpenLedger } from './index.ts'

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
    await eventually(async () => (await one.sql<{ position: string }>('select position from relay'))[0]?.position === '5', soon)
  })

  test('sends what its process has written while another one has the lease, which learns of it and sends nothing twice', async () => {
    const { bus, one, two } = await setUp()
    const { asked, database } = counting(one)
    const running = relay(one, bus, { database })
    await eventually(() => running.state.state === 'running', soon)
    const beside = relay(two, bus)
    await eventually(() => beside.state.state === 'standby', soon)
    asked.splice(0)
    for (let n = 1; n <= 8; n += 1) {
      await fill(n % 2 === 0 ? one : two, 1)
      await tailsReach(bus, one, n)
      await eventually(() => running.state.state === 'running' && running.state.position === n, soon)
      await eventually(async () => (await one.sql<{ position: string }>('select position from relay'))[0]?.position === String(n), soon)
    }
    expect(asked).toEqual([])
    const all = await records(bus)
    expect(all.flat()).toHaveLength(8)
    expect(all.every(unbroken)).toBe(true)
    expect([running.state.state, beside.state.state]).toEqual(['running', 'standby'])
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
    await eventually(() => performance.now() - since > 4_100, soon)
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
