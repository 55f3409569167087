import { ask, facts, stream, tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { freshLedger, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'

/*
 * What has broken others' systems, each under the name that it is known by (docs/guarantees.md lists all of them).
 */

/** Adds up: each thousandth tell brings a thousand events. */
const dropFact = facts('rondo.testing.drop', { fell: z.object({ n: z.number() }) })
const drops = stream('drop', dropFact, { count: 0 })({
  fold: 1,
  asks: {},
  tells: { fall: (_, times: number) => Array.from({ length: times }, (_, n) => dropFact.fell({ n })) },
  evolve: { fell: ({ count }) => ({ count: count + 1 }) },
  keys: {},
})
/** Keeps its text. */
const paperFact = facts('rondo.testing.paper', { written: z.object({ text: z.string() }) })
const paper = stream('paper', paperFact, { text: '' })({
  fold: 1,
  asks: { write: (_, text: string) => [paperFact.written({ text })] },
  tells: {},
  evolve: { written: (_, { text }) => ({ text }) },
  keys: {},
})

/** Its timer is derived for ever: that it was fired is known by its row. */
const bellFact = facts('rondo.testing.bell', { hung: z.object({}), rang: z.object({}) })
interface Bell {
  readonly hung?: string
  readonly rang: number
}
const initialBell: Bell = { rang: 0 }
const bell = stream(
  'bell',
  bellFact,
  initialBell,
)({
  fold: 1,
  asks: {},
  tells: { hang: () => [bellFact.hung({})], ring: () => [bellFact.rang({})] },
  evolve: {
    hung: (state: Bell, _: object, { at }: { at: string }): Bell => ({ ...state, hung: at }),
    rang: (state: Bell): Bell => ({ ...state, rang: state.rang + 1 }),
  },
  keys: {},
  timers: ({ hung }: Bell) => (hung ? [{ at: hung, tell: 'ring' as const }] : []),
})

describe('sequences that have broken others', () => {
  const engine = needs('postgres18')
  let ledger: OpenLedger
  engine.beforeAll(async () => {
    const { url } = await freshLedger()
    ledger = await open(url, { streams: [order, drops, paper, bell] })
  })
  afterAll(() => ledger?.close())

  /** Rows of events that were read so far, by index or not. */
  const eventsRead = async () => {
    await ledger.sql('select pg_stat_force_next_flush()')
    const [row] = await ledger.sql<{ read: number }>(
      `select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read from pg_stat_user_tables where relname = 'event' and schemaname = current_schema()`,
    )
    return row?.read ?? Number.NaN
  }
  const used = async (streamId: string) => {
    const before = await eventsRead()
    await ledger.submit(unit([tell(drops, streamId, 'fall', 1)]))
    const { count } = await ledger.read.load(drops, streamId)
    return { count, read: (await eventsRead()) - before }
  }

  test('a stream of 100,000 events is loaded and appended to as a short one', async () => {
    for (let n = 0; n < 100; n += 1) await ledger.submit(unit([tell(drops, 'rain', 'fall', 1000)]))
    const [short, long] = [await used('drizzle'), await used('rain')]
    expect([short.count, long.count]).toEqual([1, 100_001])
    expect(long.read).toBeLessThanOrEqual(short.read + 1)
  })

  test('a document of 1 MB is taken whole, and one byte more is refused by name', async () => {
    const room = 1_000_000 - JSON.stringify({ text: '' }).length
    await ledger.submit(unit([ask(paper, 'thick', 'write', 'x'.repeat(room))]))
    expect((await ledger.read.load(paper, 'thick')).text).toHaveLength(room)
    const more = ledger.submit(unit([ask(paper, 'thicker', 'write', 'x'.repeat(room + 1))]))
    await expect(more).rejects.toMatchObject({ code: 'too_large', message: expect.stringContaining('1000000 bytes') })
    expect((await ledger.read.load(paper, 'thicker')).text).toBe('')
  })

  test('redelivery after old message ids were cleaned: it is decided again, and a state that knows it leaves nothing', async () => {
    const once = unit([tell(order, 'late', 'placed', { item: 'tea' })])
    await ledger.submit(once)
    await ledger.sql(`update message set keep_until = '2020-01-01T00:00:00.000000Z' where id = $1`, [once.id])
    await ledger.forgetOld()
    expect(await ledger.known(once.id)).toBeUndefined()
    expect(await ledger.submit(once)).toMatchObject({ duplicate: false, results: [{ version: 1, events: [] }] })
    expect(await ledger.submit(once)).toMatchObject({ duplicate: true })
    expect(await ledger.read.load(order, 'late')).toMatchObject({ item: 'tea' })
  })

  test('a state that a newer version has made again already is not written over by an old process that knows what it was', async () => {
    const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    const ids = ['again-1', 'again-2']
    const count = (id: string) => ledger.submit(unit([tell(order, id, 'count', 1)], { cause }))
    for (const id of ids) await count(id)
    await ledger.sql(`update stream set fold = 2 where stream = 'order' and id = any($1)`, [ids])
    const refused = { status: 'rejected', reason: { code: 'unavailable' } }
    expect(await Promise.allSettled(ids.map(count))).toMatchObject([refused, refused])
    const rows = await ledger.sql(`select version, fold from stream where stream = 'order' and id = any($1)`, [ids])
    expect(rows).toEqual(ids.map(() => ({ version: 1, fold: 2 })))
  })

  test('a single write over a state of a newer version is refused as well', async () => {
    const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    const count = () => ledger.submit(unit([tell(order, 'again-alone', 'count', 1)], { cause }))
    await count()
    await ledger.sql(`update stream set fold = 2 where stream = 'order' and id = 'again-alone'`)
    await expect(count()).rejects.toMatchObject({ code: 'unavailable' })
    expect(await ledger.sql(`select version, fold from stream where stream = 'order' and id = 'again-alone'`)).toEqual([
      { version: 1, fold: 2 },
    ])
  })

  test('a timer that was fired, and whose message id was cleaned since, is not fired again by who had found it due', async () => {
    const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    await ledger.submit(unit([tell(bell, 'b', 'hang')], { cause }))
    const { store } = ledger.database
    const found = await store.due([bell.name], [], 10)
    expect(found).toHaveLength(1)
    expect(await ledger.fireDue()).toBe(1)
    await ledger.sql("update message set keep_until = '2020-01-01T00:00:00.000000Z'")
    await ledger.forgetOld()
    vi.spyOn(store, 'due').mockResolvedValueOnce(found)
    expect(await ledger.fireDue()).toBe(0)
    expect(await ledger.read.load(bell, 'b')).toEqual({ hung: cause.at, rang: 1 })
  })
})
