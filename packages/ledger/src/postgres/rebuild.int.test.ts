import { tell } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import { eventually } from '@rondo/testkit/eventually'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { freshLedger, open, unit } from '../../test/fixture.ts'
import { order, orderOfFold2 } from '../../test/order-stream.ts'

/* A fold is raised while others write, at the moments that a load of writers meets by chance only. */

needs('postgres18')

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (let end = ends.pop(); end; end = ends.pop()) await end()
})

interface Around {
  readonly before: () => Promise<unknown>
  readonly after?: () => Promise<unknown>
}

/** Does something before and after a transaction begins with a lock of the head row: nobody writes from then on. */
class WatchedPool extends pg.Pool {
  readonly #around: Around
  readonly #watched = new WeakSet<pg.PoolClient>()

  constructor(url: string, around: Around) {
    super({ connectionString: url, options: '-c search_path=testing' })
    this.#around = around
    ends.push(() => this.end())
  }
  override connect(): Promise<pg.PoolClient>
  override connect(...given: Parameters<pg.Pool['connect']>): void
  override connect(...given: readonly unknown[]): Promise<pg.PoolClient> | undefined {
    // What its own `query` asks
    if (given.length > 0) {
      super.connect(...(given as Parameters<pg.Pool['connect']>))
      return undefined
    }
    return super.connect().then((client) => this.#watching(client))
  }
  #watching(client: pg.PoolClient): pg.PoolClient {
    if (this.#watched.has(client)) return client
    this.#watched.add(client)
    const query = client.query.bind(client) as (...asked: unknown[]) => unknown
    const between = async (...asked: unknown[]) => {
      await this.#around.before()
      const answer = await query(...asked)
      await this.#around.after?.()
      return answer
    }
    let last: unknown
    return Object.assign(client, {
      query(...asked: unknown[]) {
        // What is folded while nobody waits locks it, too, but not at once
        const closes = last === 'begin' && asked[0] === 'select from head for update'
        last = asked[0]
        return closes ? between(...asked) : query(...asked)
      },
    })
  }
}

async function opened(...options: Parameters<typeof open>) {
  const ledger = await open(options[0], { ...options[1], views: [] })
  ends.push(() => ledger.close())
  return ledger
}

test('what others write just before they are kept waiting is folded while they wait: it ends however fast they write', async () => {
  const { url } = await freshLedger()
  const old = await opened(url)
  await old.submit(unit([tell(order, 'o-1', 'count', 1)]))
  let times = 0
  const write = async () => {
    times += 1
    if (times < 5) await old.submit(unit([tell(order, `late-${times}`, 'count', 1)]))
  }
  const newer = await opened(url, { database: new WatchedPool(url, { before: write }), streams: [orderOfFold2] })
  expect(times).toBe(1)
  expect(await newer.read.loadAll(orderOfFold2, ['o-1', 'late-1'])).toMatchObject([{ state: { count: 2 } }, { state: { count: 2 } }])
})

test('who has a stream locked and waits for the head row is not waited for with the head row', async () => {
  const { url, ownerUrl } = await freshLedger()
  const old = await opened(url)
  const writer = new pg.Client({ connectionString: url, options: '-c search_path=testing' })
  const looking = new pg.Client({ connectionString: ownerUrl })
  for (const client of [writer, looking]) {
    await client.connect()
    ends.push(() => client.end())
  }
  let written: Promise<unknown> | undefined
  const isWaiting = async () => (await looking.query('select from pg_locks where not granted')).rowCount
  const around: Around = {
    async before() {
      if (written) return
      await old.submit(unit([tell(order, 'late', 'count', 1)]))
      await writer.query('begin')
      await writer.query(`select from stream where id = 'late' for update`)
    },
    async after() {
      if (written) return
      written = writer.query('select from head for update').then(() => writer.query('commit'))
      written.catch(() => undefined) // looked at below
      await eventually(isWaiting, { within: 5000, every: 10 })
    },
  }
  const newer = await opened(url, { database: new WatchedPool(url, around), streams: [orderOfFold2] })
  await expect(written).resolves.toBeDefined()
  expect(await newer.read.load(orderOfFold2, 'late')).toEqual({ count: 2 })
})
