import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { StartError } from './start-error.ts'

/** A table, or the root of a partitioned one. */
interface Table {
  /** Quoted, with its schema. */
  readonly name: string
  /** Quoted, in order. */
  readonly columns: readonly string[]
  /** Those that are not computed by the server. */
  readonly written: readonly string[]
  /** Whether rows of others refer to it: then it cannot be truncated. */
  readonly referred: boolean
}

const foreign = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`

const tablesSql = `
  select format('%I.%I', n.nspname, c.relname) as name,
    (select array_agg(format('%I', attname) order by attnum) from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
    (select array_agg(format('%I', attname) order by attnum) from pg_attribute
      where attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = '') as written,
    exists (select from pg_constraint where contype = 'f' and confrelid = c.oid) as referred
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p' and ${foreign}
  order by 1`

const partitionsSql = `
  select format('%I.%I', n.nspname, c.relname) as name, format('%I.%I', pn.nspname, p.relname) as parent,
    pg_get_expr(c.relpartbound, c.oid) as bound
  from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_class p on p.oid = i.inhparent join pg_namespace pn on pn.oid = p.relnamespace
  where c.relispartition and c.relkind = 'r' and ${foreign}
  order by c.oid`

const sequencesSql = `
  select format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'S' and ${foreign} order by 1`

/** What a value looks like must not depend on who asks. */
const sameTexts = `set datestyle = 'ISO, YMD'; set timezone = 'UTC'; set extra_float_digits = 3; set bytea_output = 'hex'; set intervalstyle = 'postgres'; set statement_timeout = 0`

/** A connection that reads and writes what the other one does, in the same texts. The caller ends it. */
export async function carrier(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'rondo upgrade', keepAlive: true })
  await client.connect()
  await client.query(sameTexts)
  return client
}

const names = async (client: pg.Client, sql: string) => (await client.query<{ name: string }>(sql)).rows.map(({ name }) => name)

/** What the old cluster holds and the new one has no place for: it is not Rondo's, and would be lost. */
async function refuseStrangers(old: pg.Client, next: pg.Client): Promise<void> {
  const shape = async (client: pg.Client) =>
    new Map((await client.query<Table>(tablesSql)).rows.map((one) => [one.name, one.columns.join(', ')]))
  const [had, has] = [await shape(old), await shape(next)]
  const databases = await names(
    old,
    `select datname as name from pg_database where datallowconn and datname not in ('postgres', 'template1')`,
  )
  const objects = await names(old, 'select oid::text as name from pg_largeobject_metadata limit 1')
  const sequences = new Set(await names(next, sequencesSql))
  const strangers = [
    ...databases.map((name) => `the database ${name}`),
    ...objects.map(() => 'large objects'),
    ...[...had].flatMap(([name, columns]) => {
      const now = has.get(name)
      if (now === undefined) return [`the table ${name}`]
      return now === columns ? [] : [`the columns of ${name} (${columns}; Rondo made it with ${now})`]
    }),
    ...(await names(old, sequencesSql)).filter((name) => !sequences.has(name)).map((name) => `the sequence ${name}`),
  ]
  if (strangers.length === 0) return
  throw new StartError(
    `the old data hold what Rondo did not make and cannot carry over: ${strangers.join('; ')}. Start the older version of Rondo, copy it elsewhere and remove it; nothing was changed`,
  )
}

/** Rows and a sum over all of them, in whatever order they lie. */
async function sumOf(client: pg.Client, { name, columns }: Table): Promise<string> {
  const { rows } = await client.query<{ sum: string }>(
    `select count(*) || ' rows, sum ' || coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0) as sum
     from (select ${columns.join(', ')} from ${name}) t`,
  )
  return rows[0]?.sum ?? ''
}

async function copy(old: pg.Client, next: pg.Client, { name, written, referred }: Table): Promise<void> {
  await next.query('begin')
  try {
    // Neither triggers nor foreign keys: what is carried over was valid where it comes from
    await next.query('set local session_replication_role = replica')
    await next.query(referred ? `delete from ${name}` : `truncate ${name}`)
    const list = written.join(', ')
    await pipeline(
      old.query(copyTo(`copy (select ${list} from ${name}) to stdout`)),
      next.query(copyFrom(`copy ${name} (${list}) from stdin`)),
    )
    await next.query('commit')
  } catch (error) {
    // The first failure is the one to tell; the connection may be what failed
    await next.query('rollback').catch(() => undefined)
    throw error
  }
}

/** What an earlier try has carried over already is found equal and left alone. */
async function carryTable(old: pg.Client, next: pg.Client, table: Table, say: (text: string) => void): Promise<void> {
  const sum = await sumOf(old, table)
  if ((await sumOf(next, table)) === sum) return say(`${table.name}: ${sum.split(',')[0]}, there already`)
  await copy(old, next, table)
  const found = await sumOf(next, table)
  if (found !== sum)
    throw new StartError(`${table.name} did not arrive as it was: ${sum} before, ${found} after; the old data are as they were`)
  say(`${table.name}: ${sum.split(',')[0]}, compared`)
}

async function carrySequences(old: pg.Client, next: pg.Client): Promise<void> {
  for (const name of await names(old, sequencesSql)) {
    const { rows } = await old.query<{ last_value: string; is_called: boolean }>(`select last_value, is_called from ${name}`)
    await next.query('select setval($1::regclass, $2, $3)', [name, rows[0]?.last_value, rows[0]?.is_called])
  }
}

/** Partitions that were made as data grew. */
async function carryPartitions(old: pg.Client, next: pg.Client): Promise<void> {
  const present = new Set(await names(next, partitionsSql))
  const { rows } = await old.query<{ name: string; parent: string; bound: string }>(partitionsSql)
  for (const { name, parent, bound } of rows)
    if (!present.has(name)) await next.query(`create table ${name} partition of ${parent} ${bound}`)
}

/**
 * Everything that the old database holds, into the new one, where the same migrations have made the tables: each table in a transaction,
 * compared by its rows and a sum over them. May be called again after whatever ended it.
 */
export async function carry(old: pg.Client, next: pg.Client, say: (text: string) => void): Promise<void> {
  await refuseStrangers(old, next)
  await carryPartitions(old, next)
  const { rows: tables } = await old.query<Table>(tablesSql)
  for (const table of tables) await carryTable(old, next, table, say)
  await carrySequences(old, next)
  await next.query('analyze')
}
