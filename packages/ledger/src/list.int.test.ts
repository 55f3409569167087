import { ask, tell } from '@rondo/kernel'
import type { Sql } from '@rondo/reaction'
import { needs } from '@rondo/testkit'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { engines, freshLedger, open, service, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'
import { page, pageStatement } from './postgres/listing.ts'
import type { Listing } from './store.ts'

const times = { actor: 'person:ada', correlationId: 'c', causationId: 'c' }
const at = (second: number) => `2026-11-18T09:00:${String(second).padStart(2, '0')}.000000Z`

describe.each(engines)('lists by several conditions on $name', (engine) => {
  let ledger: OpenLedger
  engine.needs().beforeAll(async () => {
    ledger = await (await engine.fresh())()
    for (let n = 0; n < 24; n++) {
      const placed = { item: n % 2 === 0 ? 'tea' : 'jam', number: `N-${n}` }
      await ledger.submit(unit([tell(order, `o-${n % 7}-${n}`, 'placed', placed)], { cause: { ...times, at: at(n % 5) } }))
      if (n % 3 === 0) await ledger.submit(unit([ask(order, `o-${n % 7}-${n}`, 'close', { reason: 'done' })]))
    }
  })
  afterAll(() => ledger?.close())

  const all = Array.from({ length: 24 }, (_, n) => ({ n, id: `o-${n % 7}-${n}`, at: at(n % 5), open: n % 3 !== 0 }))
  type One = (typeof all)[number]
  const inOrder = (meets: (one: One) => boolean) =>
    all
      .filter(meets)
      .toSorted((one, other) => (one.at === other.at ? (one.id < other.id ? -1 : 1) : one.at < other.at ? -1 : 1))
      .map(({ id }) => id)

  async function listed(options: Parameters<typeof ledger.read.list>[1]): Promise<readonly string[]> {
    const ids: string[] = []
    for (let pageToken: string | undefined; pageToken !== ''; ) {
      const one = await ledger.read.list(order, { ...options, pageSize: 3, ...(pageToken ? { pageToken } : {}) })
      ids.push(...one.items.map(({ id }) => id))
      pageToken = one.nextPageToken
    }
    return ids
  }

  test.each([
    ['a key', { keys: { item: 'tea' } }, ({ n }: One) => n % 2 === 0],
    ['a key and a phase', { keys: { item: 'jam' }, phase: 'closed' }, ({ n, open }: One) => n % 2 === 1 && !open],
    ['a rare key and a common one', { keys: { item: 'tea', number: 'N-4' } }, ({ n }: One) => n === 4],
    ['all of them', { keys: { item: 'jam', number: 'N-5' }, phase: 'open' }, ({ n }: One) => n === 5],
    ['keys that nobody holds both', { keys: { item: 'tea', number: 'N-5' } }, () => false],
    ['a key that was let go', { keys: { number: 'N-6' } }, () => false],
    ['a phase', { phase: 'open' }, ({ open }: One) => open],
  ] as const)('by %s: complete, and in order in both directions', async (_, options, meets) => {
    expect(await listed({ ...options, order: 'occurred_at' })).toEqual(inOrder(meets))
    expect(await listed(options)).toEqual(inOrder(meets).toReversed())
  })
})

describe.each([15, 18] as const)('what a list reads on PostgreSQL %i', (major) => {
  const engine = needs(`postgres${major}`)
  const streams = 20_000
  let client: pg.Client
  engine.beforeAll(async () => {
    const { ownerUrl, url } = await freshLedger(major)
    // Sets the plan
    await (await open(url)).close()
    client = new pg.Client({ connectionString: ownerUrl, options: `-c search_path=${service}` })
    await client.connect()
    // Few hold the rare key, and they are the oldest; a third holds the common one; open is every second, seldom one in 700
    await client.query(`
      insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
        select 'order', 'o-' || n, 1, 0, 1, '{}', case when n % 700 = 0 then 'seldom' when n % 2 = 0 then 'open' else 'closed' end, instant(now() + n * interval '1 second'), '' from generate_series(1, ${streams}) as n;
      insert into stream_key (stream, name, value, id, is_unique, first_at)
        select 'order', name, value, id, false, first_at
        from stream cross join lateral (values ('rare', 'r', 100), ('common', 'c', ${streams})) as k(name, value, most)
        where substr(id, 3)::int <= most and (name = 'rare' or substr(id, 3)::int % 3 = 0);
      analyze stream; analyze stream_key`)
  })
  afterAll(() => client?.end())

  const listing = (given: Partial<Listing>): Listing => ({
    phase: undefined,
    keys: {},
    direction: 'desc',
    after: undefined,
    limit: 51,
    ...given,
  })

  interface Plan {
    readonly 'Index Name'?: string
    readonly 'Node Type': string
    readonly 'Shared Hit Blocks': number
    readonly 'Shared Read Blocks': number
    readonly Plans?: readonly Plan[]
  }
  const nodes = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)]

  /** What the server read for the page. */
  async function explained(given: Listing) {
    let read = 0
    let plans: readonly Plan[] = []
    const explaining: Sql = async <Row>(text: string, values: readonly unknown[] = []) => {
      const { rows } = await client.query<{ 'QUERY PLAN': readonly { readonly Plan: Plan }[] }>(
        `explain (analyze, buffers, format json) ${text}`,
        [...values],
      )
      const [explained] = rows[0]?.['QUERY PLAN'] ?? []
      if (!explained) throw new Error('no plan')
      plans = nodes(explained.Plan)
      read += explained.Plan['Shared Hit Blocks'] + explained.Plan['Shared Read Blocks']
      return (await client.query(text, [...values])).rows as readonly Row[]
    }
    const rows = await page(explaining, 'order', given)
    return { rows: rows.length, read, indexes: plans.flatMap((plan) => plan['Index Name'] ?? []) }
  }

  // A page of 50 and one: so many streams are looked up by their key, three or four blocks each
  const most = 51 * 5 + 50

  test.each([
    ['a rare key among many streams', { keys: { rare: 'r' } }, 51],
    ['a common key', { keys: { common: 'c' } }, 51],
    ['a common key and a phase', { keys: { common: 'c' }, phase: 'open' }, 51],
    ['a common key and a rare phase', { keys: { common: 'c' }, phase: 'seldom' }, 9, 'stream_by_phase'],
    ['a rare key and a common one', { keys: { common: 'c', rare: 'r' } }, 33],
    ['a rare key and a phase', { keys: { rare: 'r' }, phase: 'open' }, 50],
    ['a key that nobody holds, and a common one', { keys: { common: 'c', unheard: 'of' } }, 0],
  ] as const)('%s: the page, by the index, and not the kind of streams', async (_, given, rows, leads: string = 'stream_key_in_order') => {
    for (const direction of ['asc', 'desc'] as const) {
      const found = await explained(listing({ ...given, direction }))
      expect(found.rows).toBe(rows)
      expect(found.indexes[0]).toBe(leads)
      expect(found.read).toBeLessThan(2 * most)
    }
  })

  test('a page in the middle begins there', async () => {
    const { rows } = await client.query<{ at: string }>("select first_at as at from stream where key = 'order/o-10000'")
    const after = { at: rows[0]?.at ?? '', id: 'o-10000' }
    const found = await explained(listing({ keys: { common: 'c' }, after }))
    expect(found).toMatchObject({ rows: 51, indexes: expect.arrayContaining(['stream_key_in_order']) })
    expect(found.read).toBeLessThan(most)
    const { text, values } = pageStatement('order', listing({ keys: { common: 'c' }, after }), [{ name: 'common', held: 'c' }])
    expect((await client.query<{ id: string }>(text, [...values])).rows[0]?.id).toBe('o-9999')
  })
})
