import { tell } from '@rondo/kernel'
import type { Projection, View } from '@rondo/reaction'
import { needs } from '@rondo/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order, sums } from '../test/order-stream.ts'
import type { LedgerOptions, OpenLedger } from './index.ts'

const opened: OpenLedger[] = []
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
})
const opening = async (url: string, options: Partial<LedgerOptions> = {}) => {
  const ledger = await open(url, options)
  opened.push(ledger)
  return ledger
}

describe.each([15, 18] as const)('what follows from events, on PostgreSQL %i', (major) => {
  needs(`postgres${major}`)

  test('a view can take what stands next to each other at once: in order, and all but the one that breaks', async () => {
    const { url } = await freshLedger(major)
    const runs: (readonly number[])[] = []
    const [one] = sums.on
    if (!one) throw new Error('there is a projection')
    const together: Projection = {
      ...one,
      async applyAll(sql, events) {
        runs.push(events.map(({ data }) => (data as { by: number }).by))
        for (const event of events) await one.apply(sql, event)
      },
    }
    const ledger = await opening(url, { views: [{ ...sums, on: [together] }] })
    const all = Array.from({ length: 20 }, (_, n) => n + 1)
    const ended = await Promise.allSettled(all.map((by) => ledger.submit(unit([tell(order, 'o-1', 'count', by)]))))
    expect(ended.flatMap(({ status }, index) => (status === 'rejected' ? index + 1 : []))).toEqual([13])
    expect(runs[0]).toEqual(all)
    expect(await ledger.read.view(sums).of('o-1')).toBe(210 - 13)
  })

  test('folded again it is what it was', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    await Promise.all(
      Array.from({ length: 300 }, (_, n) => {
        const id = `o-${n % 30}`
        return ledger.submit(
          unit([tell(order, id, 'placed', { item: n % 2 ? 'REQ-1' : 'later', number: id }), tell(order, id, 'count', 100 * n)]),
        )
      }),
    )
    const derived = () =>
      ledger.sql(
        'select (select jsonb_agg(k order by k) from stream_key k) as keys, (select jsonb_agg(t order by t) from timer t) as timers, (select jsonb_agg(l order by l) from loop l) as loops',
      )
    const live = await ledger.sql('select id, version, state, phase from stream order by id')
    const before = await derived()
    await ledger.sql(`update stream set fold = 0, phase = null, state = '{"count": -1}'`)
    await ledger.sql('delete from stream_key; delete from loop; update head set folds = default')
    const again = await opening(url)
    expect(await again.sql('select id, version, state, phase from stream order by id')).toEqual(live)
    expect(await derived()).toEqual(before)
  })

  test('a view of a new version is made again from the own facts', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url, { views: [] })
    await ledger.submit(unit([tell(order, 'o-1', 'count', 3), tell(order, 'o-1', 'count', 4)]))
    const withView = await opening(url)
    expect(await withView.read.view(sums).of('o-1')).toBe(7)
    await withView.sql('update sums set total = 0')
    const second: View<{ of(item: string): Promise<number> }> = { ...sums, version: 2, tables: ['sums'] }
    await expect(open(url, { views: [{ ...second, tables: [] }] })).rejects.toThrow(/name its tables/)
    const rebuilt = await opening(url, { views: [second] })
    expect(await rebuilt.read.view(second).of('o-1')).toBe(7)
  })

  test('who has decided over a parked record, and why, is kept', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    const { results } = await ledger.submit(unit([tell(order, 'o-1', 'count', 1)]))
    const event = results[0]!.events[0]!
    const at = { source: 'builds', partition: 2, previous: 0, position: 1, nextOffset: 1n }
    await ledger.park({ key: 'k', event, reason: 'a defect' }, at)
    const [record] = await ledger.parkedRecords({ source: 'builds', partition: 2, key: 'k' })
    await ledger.skip(record!, { actor: 'person:ada', why: 'not needed' })
    expect(await ledger.sql('select actor, decision, why, position::int from parked_decision')).toEqual([
      { actor: 'person:ada', decision: 'skipped', why: 'not needed', position: 1 },
    ])
  })

  test('old outcomes are forgotten, after 7 days and 30', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    const asked = unit([tell(order, 'o-1', 'count', 1)])
    const intake = unit([tell(order, 'o-1', 'count', 1)], {
      checkpoint: { source: 'i', partition: 0, previous: -1, position: 0, nextOffset: 1n },
    })
    await ledger.submit(asked)
    await ledger.submit(intake)
    const days = `round(extract(epoch from keep_until::timestamptz - at::timestamptz) / 86400)::int`
    expect(await ledger.sql(`select ${days} as days from message order by 1`)).toEqual([{ days: 7 }, { days: 30 }])
    await ledger.sql(`update message set keep_until = '2020-01-01T00:00:00.000000Z' where id = $1`, [asked.id])
    expect(await ledger.forgetOld()).toBe(1)
    expect(await ledger.known(asked.id)).toBeUndefined()
    expect(await ledger.known(intake.id)).toBeDefined()
  })
})
