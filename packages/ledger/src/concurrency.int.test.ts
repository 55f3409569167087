import { ask, tell } from '@rondo/kernel'
import { eventually, needs } from '@rondo/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { silent } from './database.ts'
import type { OpenLedger } from './index.ts'

/** Two ledgers on one database are two processes: nothing in memory is common to them. */
describe.each([15, 18] as const)('two writers on PostgreSQL %i', (major) => {
  const engine = needs(`postgres${major}`)
  let one: OpenLedger
  let two: OpenLedger
  const victims: object[] = []
  engine.beforeAll(async () => {
    const { url } = await freshLedger(major)
    const log = { ...silent, warn: (fields: object, message: string) => void victims.push({ fields, message }) }
    one = await open(url, { log })
    two = await open(url, { log })
  })
  afterAll(async () => {
    await one?.close()
    await two?.close()
  })
  const both = () => [one, two] as const

  test('neither loses what the other writes to the same stream, and positions stay gapless', async () => {
    const before = (await one.head()).position
    const each = both().map((ledger) =>
      Promise.all(Array.from({ length: 200 }, () => ledger.submit(unit([tell(order, 'hot', 'count', 1)])))),
    )
    await Promise.all(each)
    expect(await one.read.load(order, 'hot')).toEqual({ count: 400 })
    const events = await one.events(before, 1_000)
    expect(events.map(({ position }) => position - before)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1))
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1))
  })

  test('units that lock the same streams in opposite orders do not deadlock', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => `crossing-${n}`)
    const writers = [
      { ledger: one, ids },
      { ledger: two, ids: ids.toReversed() },
    ]
    const rounds = 15
    await Promise.all(
      writers.map(async ({ ledger, ids }) => {
        for (let round = 0; round < rounds; round++) {
          const each = () =>
            ledger.submit(
              unit(
                ids.map((id) => tell(order, id, 'count', 1)),
                { remember: false },
              ),
            )
          await eventually(each, { within: 20_000 }) // `conflict` after several lost races is no deadlock
        }
      }),
    )
    expect((await one.read.loadAll(order, ids)).map(({ state }) => state.count)).toEqual(ids.map(() => 2 * rounds))
    expect(victims).toEqual([])
  })

  test('a unique key is held once, whoever comes first; the loser runs again from its read', async () => {
    const signal = (ledger: OpenLedger, id: string, number: string) => {
      const messages = async () => {
        const [held] = await ledger.read.find(order, 'number', [number])
        return [tell(order, held?.id ?? id, 'placed', { item: 'tea', number }), tell(order, held?.id ?? id, 'count', 1)]
      }
      return messages().then((first) => ledger.submit(unit(first, { again: messages })))
    }
    for (const number of ['A', 'B', 'C', 'D', 'E']) {
      // two of one process in one batch, and two of another one
      await Promise.all(
        both().flatMap((ledger, n) => [signal(ledger, `${number}-${n}-first`, number), signal(ledger, `${number}-${n}-second`, number)]),
      )
      const held = await one.read.find(order, 'number', [number])
      expect(held.map(({ state }) => state.count)).toEqual([4])
    }
  })

  test('without another way the loser of a unique key is told who holds it', async () => {
    const place = (id: string) => unit([ask(order, id, 'place', { item: 'tea', number: 'N' })])
    await one.submit(place('winner'))
    await expect(two.submit(place('loser'))).rejects.toMatchObject({ code: 'already_exists', details: { key: 'number', holder: 'winner' } })
    expect(await two.read.loadAll(order, ['loser'])).toEqual([])
  })

  test('a key that was let go can be taken in the same batch', async () => {
    await one.submit(unit([ask(order, 'former', 'place', { item: 'tea', number: 'K' })]))
    await Promise.all([
      one.submit(unit([ask(order, 'former', 'close', { reason: 'done' })])),
      one.submit(unit([ask(order, 'next', 'place', { item: 'tea', number: 'K' })])),
    ])
    expect((await one.read.find(order, 'number', ['K'])).map(({ id }) => id)).toEqual(['next'])
  })

  test('one message through both is applied once', async () => {
    const units = Array.from({ length: 50 }, (_, n) => unit([tell(order, `same-${n}`, 'count', 1)]))
    const answers = await Promise.all(both().flatMap((ledger) => units.map((each) => ledger.submit(each))))
    expect(answers.filter(({ duplicate }) => duplicate)).toHaveLength(50)
    const found = await one.read.loadAll(
      order,
      units.map((_, n) => `same-${n}`),
    )
    expect(found.map(({ state }) => state.count)).toEqual(units.map(() => 1))
  })

  test('a partition read by both moves once', async () => {
    const records = Array.from({ length: 50 }, (_, n) =>
      unit([tell(order, 'consumed', 'count', 1)], {
        id: `record-${n}`,
        remember: false,
        checkpoint: { source: 'both', partition: 0, previous: n, position: n + 1, nextOffset: BigInt(n + 1) },
      }),
    )
    await Promise.all(both().flatMap((ledger) => records.map((record) => ledger.submit(record))))
    expect(await one.read.load(order, 'consumed')).toEqual({ count: 50 })
    expect(await two.checkpoint('both', 0)).toEqual({ position: 50, nextOffset: 50n })
  })

  test('previous is the position before in the same partition', async () => {
    const rows = await one.sql(
      `select count(*)::int as wrong from (select previous, lag(position, 1, 0::bigint) over (partition by partition order by position) as before from event) _
       where previous <> before`,
    )
    expect(rows).toEqual([{ wrong: 0 }])
  })
})
