import { readFileSync } from 'node:fs'
import { ask, plus, tell, toInstant } from '@rondo/kernel'
import type { Projection, View } from '@rondo/reaction'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order, orderOfFold2, sums } from '../test/order-stream.ts'
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

  test('a new fold is complete before it is ready, and nobody writes over it', async () => {
    const { url } = await freshLedger(major)
    const old = await opening(url)
    for (let n = 0; n < 250; n++) await old.submit(unit([tell(order, `o-${n}`, 'count', 1)]))
    const [newer] = await Promise.all([opening(url, { streams: [orderOfFold2] }), opening(url, { streams: [orderOfFold2] })])
    expect((await newer.read.list(orderOfFold2, { pageSize: 1_000 })).items.every(({ state }) => state.count === 2)).toBe(true)
    await expect(old.submit(unit([tell(order, 'o-1', 'count', 1)]))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(old.submit(unit([tell(order, 'one more', 'count', 1)]))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(old.read.load(order, 'o-1')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(open(url)).rejects.toMatchObject({ code: 'unavailable' })
    await newer.submit(unit([tell(orderOfFold2, 'o-1', 'count', 1)]))
    expect(await newer.read.load(orderOfFold2, 'o-1')).toEqual({ count: 4 })
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

  test('due tells are fired once by any number of processes, when they were due', async () => {
    const { url } = await freshLedger(major)
    const [one, two] = await Promise.all([opening(url), opening(url)])
    const past = '2026-01-01T00:00:00.000001Z'
    const future = plus(toInstant(new Date()), 3_600_000)
    const at = (when: string) => ({ cause: { at: when, actor: 'person:ada', correlationId: 'c', causationId: 'c' } })
    for (let n = 0; n < 60; n++) await one.submit(unit([tell(order, `o-${n}`, 'placed', { item: 'later' })], at(past)))
    await one.submit(unit([tell(order, 'tomorrow', 'placed', { item: 'later' })], at(future)))
    const fired = await Promise.all([one.fireDue(), two.fireDue()])
    expect(fired[0] + fired[1]).toBe(60)
    const reminded = await one.events(0, 1_000, { types: ['rondo.testing.order.reminded'] })
    expect(reminded).toHaveLength(60)
    expect(new Set(reminded.map(({ occurredAt, actor }) => `${occurredAt} ${actor}`))).toEqual(new Set([`${past} service:testing`]))
    expect(await two.fireDue()).toBe(0)
    // a state that derives no timer any more has none
    expect(await one.sql('select stream_id from timer')).toEqual([{ stream_id: 'tomorrow' }])
  })

  test('a timer that is no longer derived is not fired, and one that fails keeps nobody waiting', async () => {
    const { url } = await freshLedger(major)
    const errors: object[] = []
    const ledger = await opening(url, { log: { info: () => undefined, warn: () => undefined, error: (fields) => errors.push(fields) } })
    const cause = { at: '2026-01-01T00:00:00.000001Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    await ledger.submit(unit([tell(order, 'fragile', 'placed', { item: 'fragile' })], { cause }))
    await ledger.submit(unit([tell(order, 'sound', 'placed', { item: 'later' })], { cause }))
    await ledger.submit(unit([tell(order, 'closed', 'placed', { item: 'later' })], { cause }))
    await ledger.submit(unit([ask(order, 'closed', 'close', { reason: 'done' })]))
    expect(await ledger.fireDue()).toBe(1)
    expect(await ledger.read.load(order, 'sound')).toMatchObject({ count: 1_000 })
    expect(await ledger.read.load(order, 'closed')).toMatchObject({ count: 0 })
    expect(errors).toEqual([expect.objectContaining({ timer: 'order/fragile/breaks/2026-01-01T00:00:00.000000Z', times: 1 })])
    expect(await ledger.fireDue()).toBe(0)
    expect(errors).toHaveLength(1)
  })

  test('a turn’s history is the whole of each stream that ever carried it', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    await ledger.submit(
      unit([tell(order, 'before', 'count', 1), tell(order, 'before', 'placed', { item: 'REQ-1' }), tell(order, 'other', 'count', 1)]),
    )
    await ledger.submit(unit([tell(order, 'before', 'count', 2)]))
    const history = await ledger.history('REQ-1', 10)
    expect(history.map(({ streamId, version, loopIds }) => [streamId, version, loopIds])).toEqual([
      ['before', 1, []],
      ['before', 2, ['REQ-1']],
      ['before', 3, ['REQ-1']],
    ])
  })

  test('of a stream the newest trace before an event is known, and is not its own', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    const from = (traceparent?: string) => ({ cause: { actor: 'person:ada', correlationId: 'c', causationId: 'c', traceparent } })
    await ledger.submit(unit([tell(order, 'o-1', 'count', 1), tell(order, 'o-2', 'count', 1)], from('first')))
    await ledger.submit(unit([tell(order, 'o-1', 'count', 1)], from('second')))
    await ledger.submit(unit([tell(order, 'o-1', 'count', 1)], from()))
    const stream = { stream: 'order', streamId: 'o-1' }
    expect(await ledger.tracesBefore([stream], 'none')).toEqual(['second'])
    expect(await ledger.tracesBefore([stream], 'second')).toEqual(['first'])
    expect(
      await ledger.tracesBefore(
        [
          { ...stream, upTo: 1 },
          { stream: 'order', streamId: 'o-2' },
        ],
        'none',
      ),
    ).toEqual(['first'])
    expect(await ledger.tracesBefore([{ stream: 'order', streamId: 'unseen' }], 'none')).toEqual([])
  })

  test('parked keys keep what follows, in order, until somebody decides', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    const { results } = await ledger.submit(unit([tell(order, 'o-1', 'count', 1)]))
    const event = results[0]!.events[0]!
    const at = (position: number) => ({ source: 'builds', partition: 2, previous: position - 1, position, nextOffset: BigInt(position) })
    for (const position of [1, 2, 2]) await ledger.park({ key: 'k', event: { ...event, position }, reason: 'a defect' }, at(position))
    await expect(ledger.park({ key: 'k', event, reason: 'a gap' }, at(9))).rejects.toThrow(/records are missing/)
    expect(await ledger.checkpoint('builds', 2)).toEqual({ position: 2, nextOffset: 2n })
    const [key] = await ledger.parkedKeys()
    expect(key).toMatchObject({ source: 'builds', partition: 2, key: 'k', reason: 'a defect', waiting: 2 })
    const [first, second] = await ledger.parkedRecords(key!)
    expect([first!.event.position, second!.event.position]).toEqual([1, 2])
    await ledger.unpark(first!, { decision: 'applied', actor: 'person:ada', why: 'mended' })
    expect(await ledger.isParked('builds', 2, 'k')).toBe(true)
    await ledger.unpark(second!, { decision: 'skipped', actor: 'person:ada', why: 'not needed' })
    expect(await ledger.isParked('builds', 2, 'k')).toBe(false)
    await expect(ledger.unpark(second!, { decision: 'skipped', actor: 'person:ada', why: '' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await ledger.sql('select actor, decision, why, position::int from parked_decision order by number')).toEqual([
      { actor: 'person:ada', decision: 'applied', why: 'mended', position: 1 },
      { actor: 'person:ada', decision: 'skipped', why: 'not needed', position: 2 },
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

describe.each([15, 18] as const)('lists on PostgreSQL %i', (major) => {
  const file = ['cases', '27-pg-pages-within-one-millisecond.json']
  needs(`postgres${major}`, { also: sharedMissing(...file) })

  test('pages are exact within one millisecond, in both directions, while rows are added', async () => {
    const { steps } = JSON.parse(readFileSync(shared(...file), 'utf8')) as { steps: { body: { subject: string; time: string }[] }[] }
    const entries = steps[0]!.body
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    const add = (id: string, at: string) =>
      ledger.submit(
        unit([tell(order, id, 'placed', { item: 'ci' })], { cause: { at, actor: 'service:ci', correlationId: 'c', causationId: 'c' } }),
      )
    for (const { subject, time } of entries.toReversed()) await add(subject, time)
    const pages = async (given: { order: 'occurred_at' | 'occurred_at desc'; pageSize: number }) => {
      const seen: string[][] = []
      let pageToken = ''
      do {
        const page = await ledger.read.list(order, { ...given, pageToken, phase: 'open', keys: { item: 'ci' } })
        seen.push(page.items.map(({ id }) => id))
        pageToken = page.nextPageToken
        // comes before and behind of where the list stands
        await add(`${seen.length}-${given.pageSize}`, `2026-11-18T09:00:00.06${given.order === 'occurred_at' ? '0' : '2'}000Z`)
      } while (pageToken && seen.length < 50)
      return seen
    }
    const names = entries.map(({ subject }) => subject)
    expect(await pages({ order: 'occurred_at', pageSize: 1 })).toEqual(names.map((name) => [name]))
    const descending = (await pages({ order: 'occurred_at desc', pageSize: 2 })).flat().filter((id) => id.startsWith('run'))
    expect(descending).toEqual(names.toReversed())
  })

  test('a token of another order, or none at all, is refused', async () => {
    const { url } = await freshLedger(major)
    const ledger = await opening(url)
    for (const id of ['a', 'b']) await ledger.submit(unit([tell(order, id, 'placed', { item: 'ci' })]))
    const { nextPageToken } = await ledger.read.list(order, { pageSize: 1 })
    await expect(ledger.read.list(order, { order: 'occurred_at', pageToken: nextPageToken })).rejects.toMatchObject({ code: 'invalid' })
    await expect(ledger.read.list(order, { pageToken: 'nonsense' })).rejects.toMatchObject({ code: 'invalid' })
    await expect(ledger.read.list(order, { pageSize: -1 })).rejects.toMatchObject({ code: 'invalid' })
  })
})
