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
  const _both = () => [one, two] as const

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
