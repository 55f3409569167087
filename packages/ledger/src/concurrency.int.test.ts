import { tell } from '@rondo/kernel'
import { eventually, needs } from '@rondo/testkit'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { silent } from './database.ts'
import type { Batched, OpenLedger } from './index.ts'

/** Events whose place in their partition is another than they were told. */
const misplaced = `select count(*)::int from (select previous, lag(position, 1, 0::bigint) over (partition by partition order by position) as before from event) _
  where previous <> before`

/** Two ledgers on one database are two processes: nothing in memory is common to them. */
describe.each([15, 18] as const)('two writers on PostgreSQL %i', (major) => {
  const engine = needs(`postgres${major}`)
  let one: OpenLedger
  let two: OpenLedger
  let place: string
  const victims: object[] = []
  const batches: Batched[] = []
  engine.beforeAll(async () => {
    const { url } = await freshLedger(major)
    place = url
    const log = { ...silent, warn: (fields: object, message: string) => void victims.push({ fields, message }) }
    one = await open(url, { log, onBatch: (batch) => void batches.push(batch) })
    two = await open(url, { log })
  })
  let ended: Promise<unknown> | undefined
  const end = () => {
    ended ??= Promise.all([one?.close(), two?.close()])
    return ended
  }
  afterAll(end)
  const both = () => [one, two] as const

  test('thousands at once: each stream has its units in the order in which they came', async () => {
    const streams = 50
    const numbers = Array.from({ length: 4_000 }, (_, n) => n + 100)
    await Promise.all(numbers.map((n) => one.submit(unit([tell(order, `lane-${n % streams}`, 'count', n)], { remember: n % 2 === 0 }))))
    const events = (await one.events(0, 10_000)).filter(({ streamId }) => streamId.startsWith('lane-'))
    expect(events).toHaveLength(numbers.length)
    for (let stream = 0; stream < streams; stream++) {
      const counted = events.flatMap(({ streamId, data }) => (streamId === `lane-${stream}` ? [data] : []))
      expect(counted).toEqual(numbers.filter((n) => n % streams === stream).map((by) => ({ by })))
    }
  })

  /** Runs while another connection holds what its statement has taken: until so many wait for a lock, and beyond that. */
  async function heldUp<T>(statement: string, waiting: number, run: () => Promise<T>): Promise<T> {
    const [holder, looker] = [new pg.Client(place), new pg.Client(place)]
    await Promise.all([holder.connect(), looker.connect()])
    await holder.query('begin')
    await holder.query(statement)
    const running = run()
    await eventually(
      async () => {
        const { rows } = await looker.query("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        return rows.length >= waiting
      },
      { within: 20_000 },
    )
    await holder.query('rollback')
    await Promise.all([holder.end(), looker.end()])
    return running
  }
  const counting = (ids: readonly string[]) =>
    unit(
      ids.map((id) => tell(order, id, 'count', 1)),
      { remember: false },
    )
  const numbered = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}-${String(n).padStart(2, '0')}`)

  /** What comes alone takes statements of its own. */
  describe.each([1, 3])('%i of a kind', (count) => {
    const head = 'select from head for update'
    const name = (what: string) => numbered(`${what}-${count}`, count)

    test('streams that another one has written since they were loaded are decided again', async () => {
      await one.submit(counting(name('seen')))
      // Both have loaded the same version when the first of them can go on
      await heldUp(head, 2, () => Promise.all(both().map((ledger) => ledger.submit(counting(name('seen'))))))
      expect((await one.read.loadAll(order, name('seen'))).map(({ state }) => state)).toEqual(name('seen').map(() => ({ count: 3 })))
    })

    test('streams that another one begins at the same moment are decided again', async () => {
      await heldUp(head, 2, () => Promise.all(both().map((ledger) => ledger.submit(counting(name('begun'))))))
      expect((await one.read.loadAll(order, name('begun'))).map(({ state }) => state)).toEqual(name('begun').map(() => ({ count: 2 })))
    })

    test('ids that another one takes at the same moment are its own', async () => {
      const submitting = (ledger: OpenLedger, own: string) =>
        Promise.all(name('taken').map((id) => ledger.submit(unit([tell(order, `${own}-${id}`, 'count', 1)], { id }))))
      const answers = await heldUp(head, 2, () => Promise.all([submitting(one, 'here'), submitting(two, 'there')]))
      expect(answers.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(count)
      const own = name('taken').flatMap((id) => [`here-${id}`, `there-${id}`])
      expect(await one.read.loadAll(order, own)).toHaveLength(count)
    })

    test.each([
      ['', false],
      [', each with an id of its own', true],
    ])('records of which nothing follows move their partitions once%s', async (_, remember) => {
      const source = `still-${count}-${remember}`
      const records = (who: string, ledger: OpenLedger, previous: number) =>
        Promise.all(
          name('record').map((id, partition) => {
            const checkpoint = { source, partition, previous, position: previous + 1, nextOffset: BigInt(previous + 1) }
            return ledger.submit(unit([], { id: `${id}-${who}-${previous}-${remember}`, remember, checkpoint }))
          }),
        )
      await records('one', one, 0)
      const held = `select from checkpoint where source = '${source}' and partition = 0 for update`
      const answers = await heldUp(held, 2, () => Promise.all([records('one', one, 1), records('two', two, 1)]))
      expect(answers.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(count)
    })

    test('events are placed behind those of others in their partition', async () => {
      // Of many streams not all are of one partition
      for (const what of numbered('placed', 12)) {
        await one.submit(counting(name(what)))
        await two.submit(counting(name(`${what}-too`)))
      }
      expect(await one.sql(misplaced)).toEqual([{ count: 0 }])
    })
  })

  /*
   * One goes up, the other down, and both are held up in the middle: whoever takes locks in the order of its messages holds then what the
   * other one comes to next.
   */
  test('two batches that lock the same streams in another order do not deadlock', async () => {
    const ids = numbered('crossing', 20)
    await one.submit(counting(ids))
    await heldUp(`select from stream where id = 'crossing-10' for update`, 2, () =>
      Promise.all([one.submit(counting(ids)), two.submit(counting(ids.toReversed()))]),
    )
    expect((await one.read.loadAll(order, ids)).map(({ state }) => state.count)).toEqual(ids.map(() => 3))
    expect(victims).toEqual([])
  })

  test('units that make the same streams in opposite orders do not deadlock', async () => {
    const ids = numbered('made', 20)
    const middle = `insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
      values ('order', 'made-10', 1, 0, 1, '{}', null, '', '')`
    await heldUp(middle, 2, () => Promise.all([one.submit(counting(ids)), two.submit(counting(ids.toReversed()))]))
    expect((await one.read.loadAll(order, ids)).map(({ state }) => state.count)).toEqual(ids.map(() => 2))
    expect(victims).toEqual([])
  })

  test('batches that carry the same ids in opposite orders do not deadlock', async () => {
    const ids = numbered('id', 20)
    // Each decides for streams of its own, so that only the ids can stand in each other's way
    const submitting = (ledger: OpenLedger, name: string, ids: readonly string[]) =>
      Promise.all(ids.map((id) => ledger.submit(unit([tell(order, `${name}-${id}`, 'count', 1)], { id }))))
    const middle = `insert into message (id, hash, at, keep_until, outcome) values ('id-10', '', '', '', '{}')`
    const [first, second] = await heldUp(middle, 2, () =>
      Promise.all([submitting(one, 'first', ids), submitting(two, 'second', ids.toReversed())]),
    )
    expect([...first, ...second].filter(({ duplicate }) => !duplicate)).toHaveLength(20)
    expect(victims).toEqual([])
  })

  test('say how large their batches are, and how much of them is lost to the other', async () => {
    batches.length = 0
    const counted = (ledger: OpenLedger) =>
      // `conflict` after several lost races is what is looked for
      Array.from({ length: 40 }, () => ledger.submit(unit([tell(order, 'hot', 'count', 1)], { remember: false })).catch(() => undefined))
    await eventually(
      async () => {
        await Promise.all(both().flatMap(counted))
        return batches.some(({ lost }) => lost > 0)
      },
      { within: 20_000 },
    )
    const written = batches.reduce((sum, batch) => sum + batch.written, 0)
    expect(written).toBeGreaterThan(batches.filter((batch) => batch.written > 0).length)
  })

  test('previous is the position before in the same partition', async () => {
    const units = Array.from({ length: 50 }, (_, n) => unit([tell(order, `placed-${n}`, 'count', 1)]))
    await Promise.all(units.map((each, n) => both()[n % 2]?.submit(each)))
    expect(await one.sql(misplaced)).toEqual([{ count: 0 }])
  })

  test('PostgreSQL has counted no deadlock in all of that, nor one that a second try has hidden', async () => {
    // What a connection has counted is told at its end
    await end()
    const client = new pg.Client(place)
    await client.connect()
    const { rows } = await client.query('select deadlocks::int as count from pg_stat_database where datname = current_database()')
    await client.end()
    expect(rows).toEqual([{ count: 0 }])
  })
})
