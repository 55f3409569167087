import { realClock } from '@rondo/bus'
import { ask, facts, stream, tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { engines, freshLedger, open, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { CheckpointGap, type OpenLedger } from './index.ts'

/** Says nothing where it is on, or off, already. */
const lampFact = facts('rondo.testing.lamp', { lit: z.object({}), darkened: z.object({}) })
const lamp = stream('lamp', lampFact, { isLit: false })({
  fold: 1,
  asks: {},
  tells: {
    light: ({ isLit }: { isLit: boolean }) => (isLit ? [] : [lampFact.lit({})]),
    darken: ({ isLit }: { isLit: boolean }) => (isLit ? [lampFact.darkened({})] : []),
  },
  evolve: { lit: () => ({ isLit: true }), darkened: () => ({ isLit: false }) },
  keys: {},
})

const pageFact = facts('rondo.testing.page', { written: z.object({ text: z.string() }) })
const page = stream('page', pageFact, { text: '' })({
  fold: 1,
  asks: {},
  tells: { write: (_: { text: string }, text: string) => [pageFact.written({ text })] },
  evolve: { written: (_: { text: string }, { text }: { text: string }) => ({ text }) },
  keys: {},
})

const opened: OpenLedger[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const ledger of opened.splice(0)) await ledger.close()
})

/** What happened at a given time needs no clock: that of the model does not tell apart what lies within a millisecond. */
const told = { cause: { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' } }

const calls = ({ database: { store } }: OpenLedger) => ({ load: vi.spyOn(store, 'load'), append: vi.spyOn(store, 'append') })
const at = (position: number, previous = position - 1) => ({ source: 't', partition: 0, previous, position, nextOffset: BigInt(position) })
/** It has seen that what it does not know is new, and up to where the partition was read. */
async function warm(ledger: OpenLedger, name = 'warm'): Promise<void> {
  for (let n = 0; n < 5; n++) {
    const begun = [tell(order, `${name}-${n}`, 'count', 1), tell(order, `${name}-told-${n}`, 'placed', { item: 'tea' })]
    await ledger.submit(unit([...begun, tell(lamp, `${name}-${n}`, 'light')]))
    await ledger.submit(unit([ask(order, `${name}-asked-${n}`, 'place', { item: 'tea' })]))
  }
}
const read = (position: number, previous?: number) =>
  unit([tell(order, `record-${position}`, 'count', 1)], { remember: false, checkpoint: at(position, previous) })

describe.each(engines)('a small batch on $name', (engine) => {
  engine.needs()
  /** Two processes. */
  const both = async () => {
    const fresh = await engine.fresh()
    const ledgers = [await fresh({ streams: [order, lamp, page] }), await fresh({ streams: [order, lamp, page] })] as const
    opened.push(...ledgers)
    for (const [index, ledger] of ledgers.entries()) await warm(ledger, `warm-${index}`)
    return { one: ledgers[0], two: ledgers[1], counted: calls(ledgers[0]) }
  }

  test('is written without a load where its streams are new, were written or were read', async () => {
    const { one, two, counted } = await both()
    await one.submit(read(1))
    counted.load.mockClear()
    await one.submit(unit([ask(order, 'a', 'place', { item: 'tea' })]))
    await one.submit(unit([ask(order, 'a', 'close', { reason: 'done' })], told))
    await one.submit(read(2))
    await two.submit(unit([ask(order, 'b', 'place', { item: 'jam' })]))
    expect(await one.read.load(order, 'b')).toMatchObject({ item: 'jam' })
    await one.submit(unit([tell(order, 'b', 'count', 2)], told))
    expect(counted.load).not.toHaveBeenCalled()
    expect((await one.read.loadAll(order, ['a', 'b'])).map(({ version, state }) => [version, state])).toEqual([
      [2, { item: 'tea', count: 0, closed: true }],
      [2, { item: 'jam', count: 2 }],
    ])
  })

  test('is written without a load where what it looks at was there before this process, once it was loaded', async () => {
    const fresh = await engine.fresh()
    const former = await fresh({ streams: [order, lamp] })
    await former.submit(unit([tell(lamp, 'l', 'light')]))
    await former.close()
    const ledger = await fresh({ streams: [order, lamp] })
    opened.push(ledger)
    const { load } = calls(ledger)
    for (let n = 0; n < 6; n++) await ledger.submit(unit([tell(lamp, 'l', 'light'), tell(order, `o-${n}`, 'count', 1)], told))
    expect(load).toHaveBeenCalledTimes(4)
  })

  test.each([
    ['is there', async (id: string, two: OpenLedger) => void (await two.submit(unit([tell(order, id, 'count', 5)])))],
    [
      'was written by another process meanwhile',
      async (id: string, two: OpenLedger, one: OpenLedger) => {
        await one.submit(unit([tell(order, id, 'count', 2)]))
        await two.submit(unit([tell(order, id, 'count', 3)]))
      },
    ],
  ])('is loaded where it was guessed wrongly, once, and not guessed again at once: its stream %s', async (_, others) => {
    const { one, two, counted } = await both()
    const requests = async (id: string) => {
      await others(id, two, one)
      for (const spy of Object.values(counted)) spy.mockClear()
      await one.submit(unit([tell(order, id, 'count', 1)], told))
      expect(await one.read.load(order, id)).toEqual({ count: 6 })
      return [counted.append.mock.calls.length, counted.load.mock.calls.length]
    }
    expect(await requests('a')).toEqual([2, 1])
    expect(await requests('b')).toEqual([1, 1])
  })

  test('tells no refusal that it has guessed', async () => {
    const { one, two } = await both()
    expect(await one.read.load(order, 'a')).toEqual(order.initial)
    await two.submit(unit([ask(order, 'a', 'place', { item: 'tea' })]))
    // Beside one that is written
    const answers = [unit([ask(order, 'a', 'close', { reason: 'done' })]), unit([tell(order, 'b', 'count', 1)])].map((each) =>
      one.submit(each),
    )
    expect(await Promise.all(answers)).toMatchObject([{ results: [{ version: 2 }] }, { results: [{ version: 1 }] }])
  })

  test.each([
    ['is kept under its id', { remember: true }],
    ['leaves nothing', { remember: false }],
    ['moves a checkpoint', { remember: false, checkpoint: at(2) }],
  ])('says that there is nothing to do only where that is so when it is written: what %s', async (_, given) => {
    const { one, two } = await both()
    await one.submit(read(1))
    await one.submit(unit([tell(lamp, 'l', 'light')]))
    await two.submit(unit([tell(lamp, 'l', 'darken')]))
    expect(await one.submit(unit([tell(lamp, 'l', 'light')], given))).toMatchObject({ results: [{ version: 3, events: [{ version: 3 }] }] })
    expect(await one.read.load(lamp, 'l')).toEqual({ isLit: true })
  })

  test('knows what became of an id that another process has written, and counts it', async () => {
    const { one, two } = await both()
    const first = unit([tell(order, 'a', 'count', 1)])
    await two.submit(first)
    const elsewhere = { ...first, messages: [tell(order, 'b', 'count', 1)] }
    expect(await one.submit(elsewhere)).toEqual({ duplicate: true, results: [{ streamId: 'a', version: 1, events: [] }] })
    await warm(one)
    await expect(one.submit({ ...elsewhere, hash: 'another' })).rejects.toMatchObject({ code: 'id_reused' })
    expect(await one.known(first.id)).toMatchObject({ duplicates: 1, conflicts: 1 })
    expect(await one.read.loadAll(order, ['b'])).toEqual([])
  })

  test('knows what it noted, and what another process has noted meanwhile', async () => {
    const { one, two } = await both()
    const noting = (previous: number, position: number, ...ids: readonly string[]) =>
      unit([], {
        remember: false,
        checkpoint: { source: 'notes', partition: previous < 100 ? 0 : 1, previous: previous % 100, position, nextOffset: 0n },
        noted: ids.map((id) => ({ id, hash: id })),
      })
    await one.submit(noting(0, 1, 'a'))
    await warm(one)
    await two.submit(noting(100, 2, 'b', 'c'))
    expect(await one.submit(noting(1, 5, 'd', 'b', 'a'))).toEqual({ duplicate: false, results: [], repeated: 2 })
    expect((await one.knownOf(['a', 'b', 'c', 'd'])).size).toBe(4)
    expect(await one.known('b')).toMatchObject({ duplicates: 1 })
  })

  test('takes a repeated id in its own batch for what it is', async () => {
    const { one } = await both()
    const first = unit([tell(order, 'a', 'count', 1)])
    const answers = await Promise.all([one.submit(first), one.submit(first)])
    expect(answers.map(({ duplicate }) => duplicate)).toEqual([false, true])
    expect(await one.known(first.id)).toMatchObject({ duplicates: 1 })
  })

  test('sees no gap where another process has read on, names the right one, and takes nothing twice', async () => {
    const { one, two } = await both()
    await one.submit(read(1))
    await two.submit(read(2))
    // Beside one that is written
    const [third] = await Promise.all([one.submit(read(3)), one.submit(unit([tell(order, 'beside', 'count', 1)]))])
    expect(third).toMatchObject({ duplicate: false })
    await two.submit(read(4))
    const gap = await one.submit(read(9, 8)).catch((error: unknown) => error)
    expect(gap).toBeInstanceOf(CheckpointGap)
    expect(gap).toMatchObject({ stored: 4 })
    await two.submit(read(5))
    expect(await one.submit(read(5))).toEqual({ duplicate: true, results: [] })
    expect(await one.checkpoint('t', 0)).toEqual({ position: 5, nextOffset: 5n })
    expect((await one.read.loadAll(order, ['record-5'])).map(({ version }) => version)).toEqual([1])
  })

  test.each([
    ['alone', 1],
    ['with others', 2],
  ])('that was decided %s by a smaller partition plan is decided again by the larger', async (_, count) => {
    const fresh = await engine.fresh()
    const one = await fresh({ streams: [order, lamp], partitions: 2 })
    opened.push(one)
    await warm(one)
    opened.push(await fresh({ streams: [order, lamp], partitions: 64 }))
    const told = (n: number) => Array.from({ length: count }, (_, m) => tell(order, `a-${n}-${m}`, 'count', 1))
    for (let n = 0; n < 20; n++) await one.submit(unit(told(n)))
    const placed = (await one.events(0, 100)).slice(20).map(({ partition }) => partition)
    expect(placed).toHaveLength(20 * count)
    expect(Math.max(...placed)).toBeGreaterThan(1)
  })

  test.each([
    ['stood still', 1, -600_000],
    ['stood still, for several', 2, -600_000],
    ['ran ahead', 1, 3_000],
    ['ran ahead, for several', 2, 3_000],
  ])('has the time of the ledger where its process’s clock %s', async (_, count, ms) => {
    let skew = 0
    const clock = { ...realClock, now: () => realClock.now() + skew }
    const one = await (await engine.fresh())({ streams: [order, lamp], clock })
    opened.push(one)
    await warm(one)
    skew = ms
    const { results } = await one.submit(unit(['a', 'b'].slice(0, count).map((id) => tell(order, id, 'count', 1))))
    expect(results).toHaveLength(count)
    for (const { occurredAt, recordedAt } of results.flatMap(({ events }) => events)) {
      const late = Date.parse(recordedAt) - Date.parse(occurredAt)
      expect(late).toBeGreaterThanOrEqual(0)
      expect(late).toBeLessThan(1_500)
    }
  })

  test('has an ask come after all that its stream has seen', async () => {
    const { one, counted } = await both()
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().replace('Z', '000Z')
    const cause = { at: tomorrow, actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    await one.submit(unit([tell(order, 'a', 'placed', { item: 'tea' })], { cause }))
    counted.load.mockClear()
    await one.submit(unit([ask(order, 'a', 'close', { reason: 'done' })]))
    expect(counted.load).toHaveBeenCalledTimes(1)
  })

  test('is loaded where a state is too large to be kept', async () => {
    const { one, counted } = await both()
    const written = async (length: number) => {
      await one.submit(unit([tell(page, `p-${length}`, 'write', 'x'.repeat(length))]))
      counted.load.mockClear()
      await one.submit(unit([tell(page, `p-${length}`, 'write', 'y')], told))
      return counted.load.mock.calls.length
    }
    expect([await written(1_000), await written(100_000)]).toEqual([0, 1])
  })
})

/** All that an older copy brings back. */
const tables = {
  head: '*',
  event: '*',
  stream: 'stream, id, version, base, fold, state, phase, first_at, last_at',
  message: '*',
}

describe.each([15, 18] as const)('what is known of a ledger on PostgreSQL %i', (major) => {
  needs(`postgres${major}`)
  const set = async () => {
    const { url, ownerUrl } = await freshLedger(major)
    const one = await open(url, { views: [], streams: [order, lamp] })
    const two = await open(url, { views: [], streams: [order, lamp] })
    opened.push(one, two)
    await warm(one)
    const owner = async (...statements: readonly string[]) => {
      const client = new pg.Client({ connectionString: ownerUrl, options: '-c search_path=testing' })
      await client.connect()
      await client.query(statements.join(';'))
      await client.end()
    }
    const copy = () =>
      owner(...Object.entries(tables).map(([name, columns]) => `create table ${name}_copy as select ${columns} from ${name}`))
    const goBack = () =>
      owner(
        ...Object.entries(tables).map(
          ([name, columns]) =>
            `delete from ${name}; insert into ${name}${columns === '*' ? '' : ` (${columns})`} select * from ${name}_copy; drop table ${name}_copy`,
        ),
      )
    return { one, two, copy, goBack }
  }
  const differing = async (ledger: OpenLedger) => (await ledger.rebuildPage({ from: undefined, repair: false })).differing

  test.each([
    ['that others have filled up to the same version', true],
    ['that does not hold the stream', false],
  ])('is nothing after an older copy of it was put in its place %s', async (_, isThere) => {
    const { one, two, copy, goBack } = await set()
    if (isThere) await one.submit(unit([tell(order, 'a', 'count', 1)]))
    await copy()
    await one.submit(unit([tell(order, 'a', 'count', 10)]))
    await goBack()
    if (isThere) await two.submit(unit([tell(order, 'a', 'count', 100)]))
    await one.submit(unit([tell(order, 'a', 'count', 1_000)]))
    expect(await differing(one)).toEqual([])
    expect(await one.read.loadAll(order, ['a'])).toMatchObject([
      isThere ? { version: 3, state: { count: 1_101 } } : { version: 1, state: { count: 1_000 } },
    ])
  })

  test('is read again where a rebuild has put a state right', async () => {
    const { one, two } = await set()
    await one.submit(unit([tell(order, 'a', 'count', 1)]))
    await one.sql(`update stream set state = '{"count": 9}' where id = 'a'`)
    expect(await one.read.load(order, 'a')).toEqual({ count: 9 })
    await two.rebuildPage({ from: undefined, repair: true })
    await one.submit(unit([tell(order, 'a', 'count', 1)]))
    expect(await one.read.load(order, 'a')).toEqual({ count: 2 })
  })
})
