import { tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order, sums } from '../test/order-stream.ts'
import { Defect, type OpenLedger } from './index.ts'

describe.each([15, 18] as const)('a ledger on PostgreSQL %i', (major) => {
  const engine = needs(`postgres${major}`)
  let ledger: OpenLedger
  engine.beforeAll(async () => {
    const { url } = await freshLedger(major)
    ledger = await open(url)
  })
  afterAll(() => ledger?.close())

  test('decides, writes and reads', async () => {
    const { duplicate, results } = await ledger.submit(
      unit([tell(order, 'o-1', 'placed', { item: 'tea' }), tell(order, 'o-1', 'count', 2)]),
    )
    expect(duplicate).toBe(false)
    expect(results.map(({ version, events }) => [version, events.map(({ type }) => type)])).toEqual([
      [1, ['rondo.testing.order.placed']],
      [2, ['rondo.testing.order.counted']],
    ])
    expect(await ledger.read.load(order, 'o-1')).toEqual({ item: 'tea', count: 2 })
    expect(await ledger.read.view(sums).of('o-1')).toBe(2)
    expect((await ledger.read.find(order, 'item', ['tea'])).map(({ id, version }) => [id, version])).toEqual([['o-1', 2]])
    const events = await ledger.events(0, 10)
    expect(events).toEqual(results.flatMap(({ events }) => events))
    expect(events.map(({ position }) => position)).toEqual([1, 2])
  })

  test('one bad row in a batch of 500 fails alone, whatever is bad about it', async () => {
    const bad = new Map([
      [100, tell(order, 'bad', 'breaks')],
      [200, tell(order, 'bad', 'wrong')],
      [300, tell(order, 'bad', 'count', 13)], // the view divides by zero
      [400, tell(order, 'bad', 'placed', { item: '\ud800' })],
    ])
    const units = Array.from({ length: 500 }, (_, n) => unit([bad.get(n) ?? tell(order, `many-${n % 50}`, 'count', 1)]))
    const settled = await Promise.allSettled(units.map((each) => ledger.submit(each)))
    const failed = settled.flatMap((each, n) => (each.status === 'rejected' ? [[n, each.reason instanceof Defect]] : []))
    expect(failed).toEqual([100, 200, 300, 400].map((n) => [n, true]))
    const counts = await ledger.read.loadAll(
      order,
      Array.from({ length: 50 }, (_, n) => `many-${n}`),
    )
    expect(counts.reduce((sum, { state }) => sum + state.count, 0)).toBe(496)
    expect(await ledger.read.load(order, 'bad')).toEqual({ count: 0 })
  })
})
