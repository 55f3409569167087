import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { unavailable } from '../error.ts'
import { stands } from './standing.ts'

const folder = new URL('../../sql/', import.meta.url)
const lock = 1380078930

export interface MigrateOptions {
  /** The role that the bus connects as; made when it is not there. Letters, digits and underscores. */
  readonly role?: string
  /** Its password; without one it can log in only where the server trusts it. */
  readonly password?: string
  /** The owner's URL of another database: the migrations that were applied there and no others; nothing where it has none. */
  readonly asIn?: string
}

const undo = ['42710', '23505', 'XX000'] // somebody else made, or changed, the same role at the same moment

/** Roles belong to the whole server, so two databases may be prepared at once: the second finds the role there. */
async function makeRole(client: pg.Client, role: string, password: string | undefined): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    // Within a transaction a failed statement has to be taken back before the next try.
    await client.query('savepoint role')
    try {
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
      if (rowCount === 0) await client.query(`create role ${role} login`)
      if (password !== undefined) await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`)
      return
    } catch (error) {
      await client.query('rollback to savepoint role')
      if (tries === 5 || !undo.includes((error as { code?: string }).code ?? '')) throw error
    }
  }
}

const grants = (role: string): string => `
  grant usage on schema bus to ${role};
  grant select, insert, update, delete on all tables in schema bus to ${role};
  grant usage on all sequences in schema bus to ${role};
  grant execute on all functions in schema bus to ${role};
  revoke all on schema bus from public;`

async function migrate(client: pg.Client, { role = 'rondo_bus', password }: MigrateOptions, files: readonly string[]): Promise<void> {
  await makeRole(client, role, password)
  await client.query('create schema if not exists bus')
  await client.query('create table if not exists bus.migration (name text primary key, applied_at timestamptz not null default now())')
  const { rows } = await client.query<{ name: string }>('select name from bus.migration')
  const done = new Set(rows.map(({ name }) => name))
  for (const name of files) {
    if (done.has(name)) continue
    await client.query(await readFile(new URL(name, folder), 'utf8'))
    await client.query('insert into bus.migration (name) values ($1)', [name])
  }
  await client.query(grants(role))
}

async function filesFor({ asIn }: MigrateOptions): Promise<readonly string[]> {
  const all = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  if (asIn === undefined) return all
  const client = new pg.Client({ connectionString: asIn, application_name: 'rondo bus migration' })
  try {
    await client.connect()
    const { rows } = await client.query<{ there: boolean }>(`select to_regclass('bus.migration') is not null as there`)
    const applied = rows[0]?.there ? (await client.query<{ name: string }>('select name from bus.migration')).rows : []
    return all.filter((file) => applied.some(({ name }) => name === file))
  } finally {
    await client.end()
  }
}

/** All is there already. It only reads, and waits for nobody. */
async function isPresent(client: pg.Client, ownerUrl: string, { role = 'rondo_bus', password }: MigrateOptions, files: readonly string[]) {
  const { rows } = await client.query<{ there: boolean; open: boolean }>(
    `select to_regclass('bus.migration') is not null as there, has_schema_privilege('public', oid, 'usage') as open
     from pg_namespace where nspname = 'bus'`,
  )
  if (!rows[0]?.there || rows[0].open) return false
  const applied = await client.query<{ name: string }>('select name from bus.migration')
  const done = new Set(applied.rows.map(({ name }) => name))
  return files.every((name) => done.has(name)) && stands(client, ownerUrl, { schema: 'bus', role, password, onlyReads: [] })
}

/**
 * Brings the schema `bus` of a database to the present state, as its owner, in one transaction and under a lock:
 * any number of processes may do so at once. Where all is as it is to be, nothing is written.
 */
export async function migrateBus(ownerUrl: string, options: MigrateOptions = {}): Promise<void> {
  if (options.role !== undefined && !/^[a-z_][a-z0-9_]*$/.test(options.role)) throw new Error(`"${options.role}" is no role name`)
  const client = new pg.Client({ connectionString: ownerUrl, application_name: 'rondo bus migration' })
  try {
    const files = await filesFor(options)
    if (files.length === 0) return
    await client.connect()
    if (await isPresent(client, ownerUrl, options, files)) return
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [lock])
    await migrate(client, options, files)
    await client.query('commit')
  } catch (error) {
    throw unavailable('the schema of the bus could not be prepared', error)
  } finally {
    await client.end()
  }
}
