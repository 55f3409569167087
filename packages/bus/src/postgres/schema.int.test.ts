import { eventually, freshDatabase, needs } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { numbered, record } from '../conformance/stage.ts'
import type { Bus } from '../port.ts'
import { postgresBus } from './bus.ts'
import { migrateBus } from './migration.ts'
import { asRole } from './role-url.ts'

const name = 'rondo.test.v1'

describe.each([15, 18] as const)('the schema on PostgreSQL %i', (major) => {
  needs(`postgres${major}`)
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()))
  })

  const connect = async (url: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => undefined) // a test ends sessions on purpose
    await client.connect()
    ends.push(() => client.end())
    return client
  }

  const openBus = (url: string, more: { trimEvery?: number } = {}): Bus => {
    const bus = postgresBus({ url, pace: { heartbeat: 300, poll: 300, retryFirst: 50 }, ...more })
    ends.push(() => bus.close())
    return bus
  }

  const prepared = async (): Promise<{ owner: pg.Client; ownerUrl: string; url: string }> => {
    const ownerUrl = await freshDatabase({ major })
    await migrateBus(ownerUrl)
    return { owner: await connect(ownerUrl), ownerUrl, url: asRole(ownerUrl, 'rondo_bus') }
  }

  test('is brought up by any number of processes at once, and again', async () => {
    const url = await freshDatabase({ major })
    await Promise.all(Array.from({ length: 5 }, () => migrateBus(url)))
    await migrateBus(url)
    const { rows } = await (await connect(url)).query('select name from bus.migration')
    expect(rows).toEqual([{ name: '0001-bus.sql' }, { name: '0002-growing.sql' }])
  })

  test('is only looked at where it is as it should be, and else mended', async () => {
    const url = await freshDatabase({ major })
    const of = { role: 'rondo_bus_standing', password: 'secret' }
    await migrateBus(url, of)
    // Any statement that would write fails: so it is where the server's disk is full
    const reading = new URL(url)
    reading.searchParams.set('options', '-c default_transaction_read_only=on')
    await migrateBus(reading.href, of)
    const owner = await connect(url)
    for (const damage of [`revoke update on bus.record from ${of.role}`, 'grant usage on schema bus to public']) {
      await owner.query(damage)
      await expect(migrateBus(reading.href, of), damage).rejects.toThrow()
      await migrateBus(url, of)
      await migrateBus(reading.href, of)
    }
  })

  test('the role of the bus sees nothing but its schema and changes nothing of it', async () => {
    const { owner, url } = await prepared()
    await owner.query('create schema other; create table other.secret (n int)')
    const role = await connect(url)
    await expect(role.query('select * from other.secret')).rejects.toThrow('permission denied for schema other')
    await expect(role.query('drop table bus.record')).rejects.toThrow('must be owner')
    await expect(role.query('create table bus.mine ()')).rejects.toThrow('permission denied for schema bus')
  })

  test('a fact inserted first in an inbox and committed late is not skipped: an append that is not committed holds the later ones of its partition back, not those of others', async () => {
    const { owner, url } = await prepared()
    const bus = openBus(url)
    await bus.ensure([{ name, partitions: 2 }])
    await owner.query('begin')
    await owner.query(
      `select bus.append(array[t.number], array[0], array['slow'], array[null::bytea], array['{}'::jsonb]) from bus.topic t where name = $1`,
      [name],
    )
    const other = openBus(url)
    let later = false
    const sending = bus.send(name, [record('later', 0)]).then((places) => {
      later = true
      return places
    })
    await other.send(name, [record('elsewhere', 1)])
    expect(later).toBe(false)
    expect(await other.last(name, 0, 1)).toEqual([])
    await owner.query('commit')
    expect(await sending).toEqual([{ partition: 0, offset: 1n }])
    expect(await other.last(name, 0, 1)).toMatchObject([{ key: 'later', offset: 1n }])
  })

  test('records past their retention go, oldest first; the offsets stay', async () => {
    const { owner, url } = await prepared()
    const bus = openBus(url, { trimEvery: 50 })
    await bus.ensure([
      { name, partitions: 1, retentionMs: 3_600_000 },
      { name: 'rondo.kept.v1', partitions: 1, retentionMs: -1 },
    ])
    for (const topic of [name, 'rondo.kept.v1']) await bus.send(topic, numbered(0, 5, 0))
    await owner.query(`update bus.record set at = at - interval '2 hours' where "offset" < 3`)
    await eventually(async () => (await bus.bounds(name))[0]?.first === 3n, { within: 5000 })
    expect(await bus.bounds('rondo.kept.v1')).toEqual([{ partition: 0, first: 0n, next: 5n }])
    expect(await bus.send(name, [record('next', 0)])).toEqual([{ partition: 0, offset: 5n }])
  })

  test('the partitions of a member whose session ends are taken over at once, long before it could have timed out', async () => {
    const { owner, ownerUrl, url } = await prepared()
    // A role of its own: roles are everybody's on the engine, and this one will be locked out.
    await migrateBus(ownerUrl, { role: 'rondo_bus_dying' })
    const [one, other] = [openBus(asRole(url, 'rondo_bus_dying')), openBus(url)]
    await one.ensure([{ name, partitions: 4 }])
    const seen = { one: 0, other: 0 }
    const consume = (bus: Bus, who: 'one' | 'other') =>
      bus.consume({
        group: 'g',
        topics: [name],
        start: async () => 0n,
        handle: async (batch) => {
          seen[who] += [...batch].length
        },
        onError: () => undefined,
      })
    await consume(one, 'one')
    await one.send(
      name,
      [0, 1, 2, 3].flatMap((partition) => numbered(0, 1, partition)),
    )
    await eventually(() => seen.one === 4, { within: 5000 })
    await consume(other, 'other')
    await eventually(() => seen.other === 2, { within: 5000 })
    // The first member's process dies: its session ends, and it does not come back.
    const { rows } = await owner.query<{ pid: number }>(
      `select l.pid from pg_locks l where l.locktype = 'advisory' and l.database = (select oid from pg_database where datname = current_database()) and l.objsubid = 2 and l.objid = (select min(number) from bus.member)::oid`,
    )
    await owner.query('alter role rondo_bus_dying connection limit 0')
    await owner.query('select pg_terminate_backend($1)', [rows[0]?.pid])
    await eventually(() => seen.other === 4, { within: 5000 })
    await owner.query('alter role rondo_bus_dying connection limit -1')
  })
})
