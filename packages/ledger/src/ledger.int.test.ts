import { ask, type DomainError, tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order, sums } from '../test/order-stream.ts'
import { CheckpointGap, Defect, type OpenLedger } from './index.ts'

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

  test('knows a message by its id and hash', async () => {
    const first = unit([ask(order, 'o-2', 'place', { item: 'milk' })])
    const { results } = await ledger.submit(first)
    expect(await ledger.submit(first)).toEqual({
      duplicate: true,
      results: [{ streamId: 'o-2', version: results[0]?.version, events: [] }],
    })
    await expect(ledger.submit({ ...first, hash: 'another' })).rejects.toMatchObject({ code: 'id_reused' })
    expect(await ledger.known(first.id)).toMatchObject({ hash: first.hash, duplicates: 1, conflicts: 1 })
    expect((await ledger.read.loadAll(order, ['o-2']))[0]?.version).toBe(1)
  })

  test('within one batch too', async () => {
    const first = unit([ask(order, 'o-3', 'place', { item: 'milk' })])
    const [one, same, other] = await Promise.allSettled([
      ledger.submit(first),
      ledger.submit(first),
      ledger.submit({ ...first, hash: 'another' }),
    ])
    expect(one).toMatchObject({ value: { duplicate: false } })
    expect(same).toMatchObject({ value: { duplicate: true, results: [{ version: 1 }] } })
    expect(other).toMatchObject({ reason: { code: 'id_reused' } })
    expect(await ledger.known(first.id)).toMatchObject({ duplicates: 1, conflicts: 1 })
  })

  test('keeps a refusal that recorded something, and no other', async () => {
    const deny = unit([ask(order, 'o-4', 'deny', { why: 'red' })])
    const first = await ledger.submit(deny).catch((error: DomainError) => error)
    const second = await ledger.submit(deny).catch((error: DomainError) => error)
    expect(first).toMatchObject({ code: 'gate_denied', message: 'denied: red', details: { why: 'red' } })
    expect(second).toMatchObject({ code: 'gate_denied', message: 'denied: red', details: { why: 'red' } })
    expect(await ledger.read.load(order, 'o-4')).toMatchObject({ denied: 1 })

    const close = unit([ask(order, 'o-5', 'close', { reason: 'late' })])
    await expect(ledger.submit(close)).rejects.toMatchObject({ code: 'not_found' })
    expect(await ledger.known(close.id)).toBeUndefined()
    await ledger.submit(unit([tell(order, 'o-5', 'placed', { item: 'jam' })]))
    expect(await ledger.submit(close)).toMatchObject({ duplicate: false })
  })

  test('moves a checkpoint with the unit, once, and sees a gap', async () => {
    const at = (previous: number, position: number) => ({
      source: 'topic/1',
      partition: 3,
      previous,
      position,
      nextOffset: BigInt(position + 1),
    })
    const count = (previous: number, position: number) =>
      unit([tell(order, 'o-6', 'count', 1)], { id: `six-${position}`, remember: false, checkpoint: at(previous, position) })
    const chained = await Promise.all([ledger.submit(count(0, 4)), ledger.submit(count(4, 9)), ledger.submit(count(9, 10))])
    expect(chained.map(({ duplicate }) => duplicate)).toEqual([false, false, false])
    expect(await ledger.submit(count(4, 9))).toEqual({ duplicate: true, results: [] })
    const gap = await ledger.submit(count(11, 12)).catch((error: unknown) => error)
    expect(gap).toBeInstanceOf(CheckpointGap)
    expect(gap).toMatchObject({ stored: 10 })
    expect(await ledger.checkpoint('topic/1', 3)).toEqual({ position: 10, nextOffset: 11n })
    expect(await ledger.read.load(order, 'o-6')).toEqual({ count: 3 })
  })

  test('a duplicate by id moves its checkpoint all the same', async () => {
    const first = unit([tell(order, 'o-7', 'count', 1)], {
      checkpoint: { source: 'intake', partition: 0, previous: -1, position: 0, nextOffset: 1n },
    })
    await ledger.submit(first)
    const again = { ...first, checkpoint: { source: 'intake', partition: 0, previous: 0, position: 1, nextOffset: 2n } }
    expect(await ledger.submit(again)).toMatchObject({ duplicate: true })
    expect(await ledger.checkpoint('intake', 0)).toEqual({ position: 1, nextOffset: 2n })
    expect(await ledger.read.load(order, 'o-7')).toEqual({ count: 1 })
  })

  test('one bad unit among 500 fails alone, whatever is bad about it', async () => {
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
