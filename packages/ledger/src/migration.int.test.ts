import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { eventually, freshDatabase, needs, temporaryFolder } from '@rondo/testkit'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asRole, migrations, open, role, service } from '../test/fixture.ts'
import { snapshotOf } from '../test/schema-snapshot.ts'
import { type LockHolder, migrate, openLedger } from './index.ts'
import { ledgerMigrations, migrationFiles } from './migration-files.ts'

const ledgerNumbers = (await migrationFiles(ledgerMigrations, 'ledger')).map(({ number }) => ({ number }))

async function query<Row>(url: string, text: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows as Row[]
  } finally {
    await client.end()
  }
}

describe.each([15, 18] as const)('migrations on PostgreSQL %i', (major) => {
  needs(`postgres${major}`)
  const files = new Set<string>()
  const folder = async (given: Readonly<Record<string, string>>) => {
    const path = temporaryFolder('migrations')
    files.add(path)
    for (const [name, sql] of Object.entries(given)) await writeFile(join(path, name), sql)
    return pathToFileURL(`${path}/`)
  }
  afterAll(() => Promise.all([...files].map((path) => rm(path, { recursive: true }))))

  test('started by many at once, each is applied once', async () => {
    const url = await freshDatabase({ major })
    await Promise.all(Array.from({ length: 8 }, () => migrate(url, { service, role, migrations })))
    const rows = await query<{ owner: string }>(url, `select owner, number from ${service}.migration order by owner, number`)
    expect(rows.map(({ owner }) => owner)).toEqual([...ledgerNumbers.map(() => 'ledger'), 'service'])
  })

  test('the schema is as committed', async () => {
    const url = await freshDatabase({ major })
    await migrate(url, { service, role })
    const committed = new URL('../schema-snapshot.txt', import.meta.url)
    await expect(await snapshotOf(url, service)).toMatchFileSnapshot(committed.pathname)
  })

  test('a changed file, a gap and a newer database are refused with a sentence, and nothing is changed', async () => {
    const url = await freshDatabase({ major })
    const given = { service, role }
    await migrate(url, { ...given, migrations: await folder({ '0001-a.sql': 'create table a ()', '0002-b.sql': 'create table b ()' }) })
    const migrating = async (content: Readonly<Record<string, string>>) => migrate(url, { ...given, migrations: await folder(content) })
    await expect(migrating({ '0001-a.sql': 'create table a (x int)', '0002-b.sql': 'create table b ()' })).rejects.toThrow(
      /0001-a.sql.*was changed after it had been applied/,
    )
    await expect(migrating({ '0001-a.sql': 'create table a ()' })).rejects.toThrow(
      /is at service migration 2.*knows only up to 1.*start the newer version/,
    )
    await expect(migrating({ '0002-b.sql': 'create table b ()' })).rejects.toThrow(/must be number 1/)
    const next = { '0001-a.sql': 'create table a ()', '0002-b.sql': 'create table b ()', '0003-c.sql': 'create table c (); select 1 / 0' }
    await expect(migrating(next)).rejects.toThrow(/service migration 3 \(0003-c.sql\) of testing failed: division by zero/)
    expect(await query(url, `select to_regclass('${service}.c') as c`)).toEqual([{ c: null }])
  })

  test('a role reads its own schema and no other, and makes no tables', async () => {
    const url = await freshDatabase({ major })
    await migrate(url, { service: 'first', role: 'rondo_first' })
    await migrate(url, { service: 'second', role: 'rondo_second' })
    const first = asRole(url, 'rondo_first')
    expect(await query(first, 'select count(*)::int as count from event')).toEqual([{ count: 0 }])
    for (const table of ['event', 'stream', 'message', 'head', 'migration']) {
      await expect(query(first, `select from second.${table}`)).rejects.toThrow('permission denied for schema second')
    }
    await expect(query(first, 'create table mine ()')).rejects.toThrow('permission denied')
    await expect(query(first, 'drop table event')).rejects.toThrow('must be owner')
    await expect(query(first, "update migration set checksum = ''")).rejects.toThrow('permission denied')
    await expect(openLedger({ service: 'second', streams: [], database: first })).rejects.toThrow(/see the schema/)
  })

  test('a start on a database that is as it should be writes nothing, and one that is not is mended', async () => {
    const url = await freshDatabase({ major })
    const of = { service, role: 'rondo_standing', password: 'secret', migrations }
    await migrate(url, of)
    const starting = async (at: string) => {
      await migrate(at, of)
      const ledger = await open(asRole(at, of.role), { partitions: 4 })
      await ledger.close()
    }
    await starting(url)
    // Any statement that would write fails: so it is where the server's disk is full
    const reading = new URL(url)
    reading.searchParams.set('options', '-c default_transaction_read_only=on')
    await starting(reading.href)
    const damages = [
      `revoke update on ${service}.event from ${of.role}`,
      `revoke usage on schema ${service} from ${of.role}`,
      `grant insert on ${service}.migration to ${of.role}`,
      `do $$ begin execute format('alter role ${of.role} in database %I reset search_path', current_database()); end $$`,
      `drop table ${service}.event_1`,
      `revoke execute on function ${service}.grow from public, ${of.role}`,
      `alter role ${of.role} nologin`,
    ]
    for (const damage of damages) {
      await query(url, damage)
      await expect(migrate(reading.href, of), damage).rejects.toThrow('read-only transaction')
      await starting(url)
      await starting(reading.href)
    }
  })

  test('names that are not plain are refused before they reach a statement', async () => {
    await expect(migrate('postgres://nowhere', { service: 'a"; drop schema b; --', role })).rejects.toThrow(/must be lower-case letters/)
  })
})

describe('the lock that guards migrations', () => {
  needs('postgres18')
  let url: string
  let path: string
  beforeAll(async () => {
    path = temporaryFolder('migrations')
    await writeFile(join(path, '0001-slow.sql'), 'select pg_sleep(600)')
    url = await freshDatabase()
  })
  afterAll(() => rm(path, { recursive: true }))

  /** A process that is in the middle of its migrations. */
  async function startMigrating() {
    const program = `import { migrate } from ${JSON.stringify(new URL('migration.ts', import.meta.url).href)}
      await migrate(${JSON.stringify(url)}, { service: 'testing', role: 'rondo_testing', migrations: new URL(${JSON.stringify(pathToFileURL(`${path}/`).href)}) })`
    const child = spawn(process.execPath, ['--conditions=development', '--input-type=module', '-e', program], { stdio: 'inherit' })
    await eventually(
      async () =>
        (
          await query(
            url,
            `select from pg_stat_activity where datname = current_database() and query like '%pg_sleep(600)' and pid <> pg_backend_pid()`,
          )
        ).length > 0,
      {
        within: 20_000,
      },
    )
    return child
  }

  test('is reported while it is waited for, and does not outlive the process that died with it', async () => {
    const child = await startMigrating()
    child.kill('SIGSTOP')
    const holders: (LockHolder | undefined)[] = []
    const start = performance.now()
    const waiting = migrate(url, { service, role, onWait: (holder) => holders.push(holder) })
    await eventually(() => holders.length > 0, { within: 10_000 })
    expect(performance.now() - start).toBeLessThan(10_000)
    expect(holders[0]).toMatchObject({ pid: expect.any(Number), applicationName: 'rondo migrate testing' })
    expect(Date.parse(holders[0]?.since ?? '')).toBeLessThan(Date.now())
    const died = performance.now()
    child.kill('SIGKILL')
    await once(child, 'exit')
    await waiting
    expect(performance.now() - died).toBeLessThan(10_000)
    expect(await query(url, `select number from ${service}.migration order by number`)).toEqual(ledgerNumbers)
  })

  test('is not left on a connection that a pooler keeps', async () => {
    // what a transaction-mode pooler does when its client dies: it rolls back and hands the session on
    const session = new pg.Client({ connectionString: url })
    await session.connect()
    await session.query('begin')
    await session.query('select pg_try_advisory_xact_lock(7236841)')
    const other = migrate(url, { service, role })
    await session.query('rollback')
    await other
    expect(
      await query(
        url,
        `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      ),
    ).toEqual([])
    await session.end()
    expect((await readFile(new URL('../migrations/0001-tables.sql', import.meta.url), 'utf8')).includes('advisory')).toBe(false)
  })
})
