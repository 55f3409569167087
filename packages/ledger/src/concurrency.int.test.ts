import { tell } from '@rondo/kernel'
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

  test('two batches that lock the same streams in another order do not deadlock', async () => {
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

  test('previous is the position before in the same partition', async () => {
    const units = Array.from({ length: 50 }, (_, n) => unit([tell(order, `placed-${n}`, 'count', 1)]))
    await Promise.all(units.map((each, n) => both()[n % 2]?.submit(each)))
    const rows = await one.sql(
      `select count(*)::int as wrong from (select previous, lag(position, 1, 0::bigint) over (partition by partition order by position) as before from event) _
       where previous <> before`,
    )
    expect(rows).toEqual([{ wrong: 0 }])
  })
})
