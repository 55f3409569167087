import { ask, tell } from '@rondo/kernel'
import { eventually, needs } from '@rondo/testkit'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { type FaultyProxy, faultyProxy } from '../test/faulty-proxy.ts'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order, sums } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'

/** The name of the statement for what comes alone, as it stands in each request to run it: its text is sent once to each connection. */
const appending = '\0append_alone\0'

describe('a wire that breaks', () => {
  const engine = needs('postgres18')
  let proxy: FaultyProxy
  let ledger: OpenLedger
  engine.beforeAll(async () => {
    const { url } = await freshLedger()
    proxy = await faultyProxy(url)
    ledger = await open(proxy.url)
  })
  afterEach(() => proxy?.mend())
  afterAll(async () => {
    await ledger?.close()
    await proxy?.close()
  })

  test('a lost reply to COMMIT is looked up before anyone is answered', async () => {
    proxy.loseReplyTo(appending)
    const { duplicate, results } = await ledger.submit(unit([ask(order, 'lost', 'place', { item: 'tea' })], { remember: false }))
    expect(proxy.lost).toBe(1)
    expect(duplicate).toBe(false)
    expect(await ledger.events(0, 10)).toEqual(results[0]?.events)
  })

  test('also where views are projected in the transaction, and nothing was said but "nothing to do"', async () => {
    proxy.loseReplyTo('commit')
    await ledger.submit(unit([tell(order, 'lost-too', 'count', 7)]))
    expect(proxy.lost).toBe(2)
    expect(await ledger.read.view(sums).of('lost-too')).toBe(7)
    proxy.loseReplyTo(appending)
    const nothing = unit([tell(order, 'lost', 'placed', { item: 'tea' })])
    expect(await ledger.submit(nothing)).toMatchObject({ duplicate: false, results: [{ version: 1, events: [] }] })
    expect(proxy.lost).toBe(3)
    expect(await ledger.known(nothing.id)).toMatchObject({ duplicates: 0 })
  })

  test('without the database asks are unavailable, and the same unit goes through afterwards', async () => {
    const one = unit([tell(order, 'down', 'count', 1)])
    proxy.cut()
    await expect(ledger.submit(one)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(ledger.read.load(order, 'down')).rejects.toMatchObject({ code: 'unavailable' })
    proxy.mend()
    await eventually(async () => (await ledger.submit(one)).results.length === 1, { within: 5_000 })
    expect(await ledger.read.load(order, 'down')).toEqual({ count: 1 })
  })

  test('a backend that is ended in the middle of many leaves each applied once', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => `ended-${n}`)
    const end = async () => {
      await ledger
        .sql(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()',
        )
        .catch(() => undefined) // it may end itself
    }
    for (let round = 0; round < 10; round++) {
      const units = ids.map((id) => unit([tell(order, id, 'count', 1)], { id: `${round}/${id}` }))
      const sent = units.map((each) => ledger.submit(each).catch(() => ledger.submit(each)))
      await end()
      await Promise.all(sent)
    }
    const found = await ledger.read.loadAll(order, ids)
    expect(found.map(({ state }) => state.count)).toEqual(ids.map(() => 10))
  })

  test('a connection outlives a batch that lost to another writer, and not one that forgot what was prepared on it', async () => {
    const { url } = await freshLedger()
    const [one, two] = [await open(url, { views: [], connections: 1 }), await open(url, { views: [], connections: 1 })]
    try {
      const pid = async () => (await one.sql<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid
      const before = await pid()
      const both = (id: string) => Promise.all([one, two].map((ledger) => ledger.submit(unit([tell(order, id, 'count', 1)]))))
      for (let n = 0; n < 30; n++) await both('hot')
      expect(await one.read.load(order, 'hot')).toEqual({ count: 60 })
      expect(await pid()).toBe(before)
      // As a pooler does that hands over another one
      await one.sql('deallocate all')
      const each = unit([tell(order, 'hot', 'count', 1)])
      await eventually(async () => (await one.submit(each)).duplicate === false, { within: 5_000 })
      expect(await pid()).not.toBe(before)
    } finally {
      await one.close()
      await two.close()
    }
  })
})
