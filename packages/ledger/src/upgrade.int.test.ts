import { tell } from '@rondo/kernel'
import { freshDatabase, needs } from '@rondo/testkit'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { asRole, open, role, service, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { migrate, type OpenLedger } from './index.ts'
import { ledgerMigrations, migrationFiles } from './migration-files.ts'

/** What processes of version 5 of the schema call, and what they leave. */
class Earlier {
  readonly pool: pg.Pool

  constructor(url: string) {
    this.pool = new pg.Pool({ connectionString: url, options: `-c search_path=${service}` })
  }

  /** The schema as version 5 made it. */
  async migrate(): Promise<void> {
    await this.pool.query(`create schema ${service}`)
    await this.pool.query(`create table migration (owner text not null, number integer not null, name text not null, checksum text not null,
      applied_at timestamptz not null default clock_timestamp(), primary key (owner, number))`)
    for (const { owner, number, name, sql, checksum } of (await migrationFiles(ledgerMigrations, 'ledger')).slice(0, 5)) {
      await this.pool.query(sql)
      await this.pool.query('insert into migration (owner, number, name, checksum) values ($1, $2, $3, $4)', [
        owner,
        number,
        name,
        checksum,
      ])
    }
    await this.pool.query('create table event_0 partition of event for values from (1) to (10000001)')
    await this.pool.query("update head set tails = '{0,0,0,0,0,0,0,0}'")
  }

  /** A new stream with a key, as one of its batches. */
  async place(id: string, item: string, at: string): Promise<void> {
    const data = { item }
    const state = { count: 0, item }
    const stream = { stream: 'order', id, base: 0, version: 1, fold: 1, state, phase: 'open', first_at: at, last_at: at }
    const event = {
      ...{ n: 1, id: crypto.randomUUID(), stream: 'order', stream_id: id, version: 1, partition: 0, type: 'rondo.testing.order.placed' },
      ...{ schema_version: 1, data, occurred_at: at, actor: 'person:ada', correlation_id: 'c', causation_id: 'c', loop_ids: [] },
    }
    const derived = { partitions: 8, folds: { order: 1 }, keys: [{ stream: 'order', name: 'item', value: item, id, is_unique: false }] }
    const intake = { messages: [{ id: `m-${id}`, hash: 'h', days: 7, outcome: { results: [{ streamId: id, version: 1 }] } }] }
    await this.pool.query(
      'select append($1, $2, $3, $4)',
      [[stream], [event], derived, intake].map((rows) => JSON.stringify(rows)),
    )
  }
}

describe.each([15, 18] as const)('data of an earlier version on PostgreSQL %i', (major) => {
  const engine = needs(`postgres${major}`)
  const at = (minute: number) => `2026-11-18T09:${String(minute).padStart(2, '0')}:00.000000Z`
  let url: string
  let earlier: Earlier
  engine.beforeAll(async () => {
    url = await freshDatabase({ major })
    earlier = new Earlier(url)
    await earlier.migrate()
    for (const minute of [3, 1, 2]) await earlier.place(`o-${minute}`, 'tea', at(minute))
  })

  afterAll(() => earlier?.pool.end())

  const listed = async (ledger: OpenLedger) => {
    const { items } = await ledger.read.list(order, { keys: { item: 'tea' }, order: 'occurred_at' })
    return items.map(({ id }) => id)
  }
  const isOrdered = async () => (await earlier.pool.query('select keys_in_order as done from head')).rows[0]?.done

  test('is listed by its keys, also what processes of the version before still write', async () => {
    await migrate(url, { service, role })
    expect(await isOrdered()).toBe(false)
    const ledger = await open(asRole(url, role), { views: [] })
    try {
      expect(await listed(ledger)).toEqual(['o-1', 'o-2', 'o-3'])
      expect(await isOrdered()).toBe(true)
      await earlier.place('o-0', 'tea', at(0))
      await ledger.submit(unit([tell(order, 'o-9', 'placed', { item: 'tea' }), tell(order, 'o-2', 'count', 7)]))
      expect(await listed(ledger)).toEqual(['o-0', 'o-1', 'o-2', 'o-3', 'o-9'])
      expect(await ledger.read.load(order, 'o-2')).toEqual({ item: 'tea', count: 7 })
    } finally {
      await ledger.close()
    }
  })

  test('what they both write has one order of positions, and a message of theirs is known', async () => {
    const ledger = await open(asRole(url, role), { views: [] })
    try {
      const writing = Array.from({ length: 20 }, (_, n) => [
        earlier.place(`old-${n}`, 'jam', at(n)),
        ledger.submit(unit([tell(order, `new-${n}`, 'count', 1)])),
      ])
      await Promise.all(writing.flat())
      const events = await ledger.events(0, 1_000)
      expect(events.map(({ position }) => position)).toEqual(events.map((_, n) => n + 1))
      expect(await ledger.submit(unit([tell(order, 'o-1', 'count', 1)], { id: 'm-o-1', hash: 'h' }))).toMatchObject({ duplicate: true })
      const { looked, differing } = await ledger.rebuildPage({ from: undefined, repair: false })
      expect({ looked: looked > 40, differing }).toEqual({ looked: true, differing: [] })
    } finally {
      await ledger.close()
    }
  })
})
