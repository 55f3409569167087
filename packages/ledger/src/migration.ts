import { setTimeout as pause } from 'node:timers/promises'
import { stands } from '@rondo/bus'
import pg from 'pg'
import { checkedName, type Log, silent } from './database.ts'
import { type AppliedMigration, ledgerMigrations, type Migration, MigrationError, migrationFiles, pending } from './migration-files.ts'

/** Who holds the lock that guards migrations. */
export interface LockHolder {
  readonly pid: number
  readonly applicationName: string
  /** Since when its transaction is open: RFC 3339. */
  readonly since: string
}

export interface MigrateOptions {
  /** Also the schema's name. */
  readonly service: string
  /** Made where it does not exist; may use this schema and no other. */
  readonly role: string
  /** Of the role; absent: left as it is. */
  readonly password?: string
  /** Folders of the service's own numbered SQL files; they run in its schema, in this order as one sequence each. */
  readonly migrations?: URL
  /** The owner's URL of another database: the migrations that were applied there and no others; nothing where it has none. */
  readonly asIn?: string
  readonly log?: Log
  /** Called within 10 s, and every 5 s from then on, while another process holds the lock. */
  readonly onWait?: (holder: LockHolder | undefined, waitedMs: number) => void
  readonly signal?: AbortSignal
}

/** Advisory locks are per database; one for all services, since roles and grants belong to more than one schema. */
const lock = '7236841'
const reportFirstMs = 2_000
const reportEveryMs = 5_000
const lookEveryMs = 150
/** Positions in one partition of the event table. */
const partitionSize = 10_000_000

const holderSql = `
  select pid, coalesce(application_name, '') as "applicationName", to_json(xact_start) #>> '{}' as since
  from pg_locks join pg_stat_activity using (pid)
  where locktype = 'advisory' and granted and ((classid::bigint << 32) | objid::bigint) = ${lock}
    and pg_locks.database = (select oid from pg_database where datname = current_database())`

/**
 * Brings one service's schema to the newest version: forward only, all in one transaction that holds the lock, so that nothing
 * outlives a process that dies or a pooler that keeps its connection. Any number of processes may call it at once. Where all is as it is
 * to be, nothing is written: a start needs neither the lock nor room on the server's disk.
 * Rejects with a MigrationError where the database is newer than this program or an applied file was changed.
 */
export async function migrate(ownerUrl: string, options: MigrateOptions): Promise<void> {
  const { service } = options
  checkedName(service, 'service')
  checkedName(options.role, 'role')
  const all = [
    ...(await migrationFiles(ledgerMigrations, 'ledger')),
    ...(options.migrations ? await migrationFiles(options.migrations, 'service') : []),
  ]
  const files = options.asIn === undefined ? all : await appliedIn(options.asIn, service, all)
  if (files.length === 0) return
  for (let attempt = 1; ; attempt++) {
    try {
      return await migrateOnce(ownerUrl, files, options)
    } catch (error) {
      // Roles belong to the whole server: another database's migration changed the same one at this moment
      const raced = error instanceof Error && 'code' in error && error.code === 'XX000'
      if (!raced || attempt === 5) throw error
    }
  }
}

async function appliedIn(url: string, service: string, files: readonly Migration[]): Promise<readonly Migration[]> {
  const client = new pg.Client({ connectionString: url, application_name: `rondo migrations of ${service}` })
  await client.connect()
  try {
    const { rows } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [`${service}.migration`])
    if (!rows[0]?.there) return []
    const applied = await client.query<AppliedMigration>(`select owner, number, name, checksum from ${service}.migration`)
    const missing = new Set(pending(service, files, applied.rows))
    return files.filter((file) => !missing.has(file))
  } finally {
    await client.end()
  }
}

async function migrateOnce(ownerUrl: string, files: readonly Migration[], options: MigrateOptions): Promise<void> {
  const { service, log = silent } = options
  const client = new pg.Client({
    connectionString: ownerUrl,
    application_name: `rondo migrate ${service}`,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  })
  client.on('error', (error) => log.warn({ service, error: error.message }, 'the connection that migrates broke'))
  await client.connect()
  try {
    if (await upToDate(client, ownerUrl, files, options)) return
    await locked(client, options)
    await client.query('set local client_connection_check_interval = 2000')
    await prepare(client, options)
    for (const migration of pending(service, files, await appliedTo(client, service))) await apply(client, service, migration, log)
    for (const sql of await partitionsToMake(client, service)) await client.query(sql)
    await grants(client, options)
    await client.query('commit')
  } finally {
    await client.end()
  }
}

const appliedTo = async (client: pg.Client, service: string): Promise<readonly AppliedMigration[]> =>
  (await client.query<AppliedMigration>(`select owner, number, name, checksum from ${service}.migration order by owner, number`)).rows

const present = `
  select to_regclass($1 || '.migration') is not null as there, exists (
    select from pg_db_role_setting join pg_database d on setdatabase = d.oid join pg_roles r on setrole = r.oid
    where datname = current_database() and rolname = $2 and 'search_path=' || $1 = any(setconfig)) as found`

/** Nothing is to be written. It only reads, and waits for nobody. */
async function upToDate(client: pg.Client, ownerUrl: string, files: readonly Migration[], options: MigrateOptions): Promise<boolean> {
  const { service, role, password } = options
  const { rows } = await client.query<{ there: boolean; found: boolean }>(present, [service, role])
  if (!rows[0]?.there || !rows[0].found) return false
  if (pending(service, files, await appliedTo(client, service)).length > 0) return false
  if ((await partitionsToMake(client, service)).length > 0) return false
  return stands(client, ownerUrl, { schema: service, role, password, onlyReads: ['migration'] })
}

/** Returns in a transaction that holds the lock. It asks again and again instead of queueing, to be able to say what it waits for. */
async function locked(client: pg.Client, { service, log = silent, onWait, signal }: MigrateOptions): Promise<void> {
  const start = performance.now()
  let reported = -Infinity
  for (;;) {
    signal?.throwIfAborted()
    await client.query('begin')
    const { rows } = await client.query<{ got: boolean }>(`select pg_try_advisory_xact_lock(${lock}) as got`)
    if (rows[0]?.got) return
    await client.query('rollback')
    const waited = performance.now() - start
    if (waited >= reportFirstMs && waited - reported >= reportEveryMs) {
      reported = waited
      const holder = (await client.query<LockHolder>(holderSql)).rows[0]
      log.warn({ service, holder, waitedMs: Math.round(waited) }, 'waiting for the migration lock, which another process holds')
      onWait?.(holder, Math.round(waited))
    }
    await pause(lookEveryMs, undefined, signal ? { signal } : {})
  }
}

/** Roles belong to the whole server: somebody may make the same one for another database at this moment. */
const makeRole = (role: string) => `
  do $$ begin
    if not exists (select from pg_roles where rolname = '${role}') then create role ${role} login; end if;
  exception when duplicate_object or unique_violation then null;
  end $$`

async function prepare(client: pg.Client, { service, role, password }: MigrateOptions): Promise<void> {
  await client.query(makeRole(role))
  if (password !== undefined) await client.query(`alter role ${role} login password ${client.escapeLiteral(password)}`)
  await client.query(`create schema if not exists ${service}`)
  await client.query(`set local search_path = ${service}`)
  await client.query(`create table if not exists migration (
    owner text not null, number integer not null, name text not null, checksum text not null,
    applied_at timestamptz not null default clock_timestamp(), primary key (owner, number))`)
}

async function apply(client: pg.Client, service: string, { owner, number, name, sql, checksum }: Migration, log: Log): Promise<void> {
  try {
    await client.query(sql)
    await client.query(`set local search_path = ${service}`)
  } catch (error) {
    throw new MigrationError(
      `${owner} migration ${number} (${name}) of ${service} failed: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  }
  await client.query('insert into migration (owner, number, name, checksum) values ($1, $2, $3, $4)', [owner, number, name, checksum])
  log.info({ service, owner, number, name }, 'migration applied')
}

/** The partition that is written now and the next one, where they are not there. What fell into the rest stays there: moving it would block. */
async function partitionsToMake(client: pg.Client, service: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ n: string }>(
    `select n from (select position / ${partitionSize} as first, (select coalesce(max(position), 0) from ${service}.event_rest) as rest
       from ${service}.head) h, generate_series(first, first + 1) n
     where rest <= n * ${partitionSize} and to_regclass('${service}.event_' || n) is null`,
  )
  return rows.map(({ n }) => {
    const from = Number(n) * partitionSize + 1
    return `create table ${service}.event_${n} partition of ${service}.event for values from (${from}) to (${from + partitionSize})`
  })
}

async function grants(client: pg.Client, { service, role }: MigrateOptions): Promise<void> {
  await client.query(`
    grant usage on schema ${service} to ${role};
    grant select, insert, update, delete on all tables in schema ${service} to ${role};
    revoke insert, update, delete on migration from ${role};
    grant usage on all sequences in schema ${service} to ${role};
    grant execute on all functions in schema ${service} to ${role}`)
  await client.query(
    `do $$ begin execute format('alter role ${role} in database %I set search_path = ${service}', current_database()); end $$`,
  )
}
