import type pg from 'pg'
import { ArchiveReader } from '../archive/reader.ts'
import type { Log } from '../database.ts'
import { reaching } from '../failure.ts'
import type { Store } from '../store.ts'
import { archiving } from './archiving.ts'
import { type Schema, servicePool } from './connection.ts'
import { rebuildPage } from './equality.ts'
import { orderKeys } from './key-order.ts'
import { parking } from './parking.ts'
import { reading } from './reading.ts'
import { rebuild } from './rebuild.ts'
import { relaying } from './relaying.ts'
import { rebuildViews } from './view-rebuild.ts'
import { waking } from './waking.ts'
import { writing } from './writing.ts'

const defaultPartitions = 8

export interface PostgresOptions {
  readonly service: string
  /** The URL of the service's role, or a pool whose connections have the service's schema first on their search path. */
  readonly database: string | pg.Pool
  /** Where a URL is given. */
  readonly connections: number
  readonly log: Log
  /** Where events of closed streams are archived. */
  readonly archiveFolder: string | undefined
}

/** A service's schema on PostgreSQL 15 or newer, after `migrate`. */
export function postgresStore({ service, database, connections, log, archiveFolder }: PostgresOptions): Store {
  const pool = typeof database === 'string' ? servicePool(database, service, connections, log) : database
  const schema: Schema = { service, pool, log }
  const archive = new ArchiveReader(archiveFolder)
  return {
    ...writing(schema, archive),
    ...reading(schema, archive),
    ...relaying(schema),
    ...waking(schema),
    ...parking(schema),
    async due(streams, without, limit) {
      const { rows } = await pool.query(
        `select stream, stream_id, tell, due from timer
         where fired_at is null and due <= instant(now()) and stream = any($1)
           and stream || '/' || stream_id || '/' || tell || '/' || due <> all($2)
         order by due limit $3`,
        [streams, without, limit],
      )
      return rows
    },
    async markFired({ stream, stream_id, tell, due }) {
      await pool.query(
        `update timer set fired_at = instant(clock_timestamp())
         where (stream, stream_id, tell, due) = ($1, $2, $3, $4) and fired_at is null`,
        [stream, stream_id, tell, due],
      )
    },
    async nextDue(streams) {
      const { rows } = await pool.query<{ ms: number }>(
        `select (extract(epoch from due::timestamptz - now()) * 1000)::float8 as ms from timer
         where fired_at is null and stream = any($1) order by due limit 1`,
        [streams],
      )
      return rows[0]?.ms
    },
    async prepare(rules, views, partitions) {
      await checkSchema(schema)
      await plan(schema, partitions)
      await orderKeys(schema)
      await rebuild(schema, archive, rules)
      await rebuildViews(schema, archive, rules, views)
    },
    rebuildPage: (rules, views, options) => rebuildPage(schema, archive, rules, views, options),
    archiving: archiving(schema, archive),
    async close() {
      if (typeof database === 'string') await pool.end()
    },
  }
}

async function checkSchema({ pool, service }: Schema): Promise<void> {
  const { rows } = await reaching(
    pool.query<{ schema: string | null; migrated: boolean }>(
      `select current_schema() as schema, to_regclass('head') is not null as migrated`,
    ),
  )
  if (rows[0]?.schema !== service) {
    throw new Error(
      `the connections of ${service} see the schema ${rows[0]?.schema ?? '(none)'} first: connect as the service's role, after migrate()`,
    )
  }
  if (!rows[0].migrated) throw new Error(`the schema ${service} has no ledger yet: run migrate() first`)
}

/** The first to open a ledger sets its plan. Who finds it as it wants it writes nothing. */
async function plan({ pool, service, log }: Schema, partitions: number | undefined): Promise<void> {
  const { rows: there } = await pool.query<{ count: number }>('select cardinality(tails) as count from head')
  if (there[0]?.count === partitions || (partitions === undefined && there[0]?.count)) return
  await pool.query(`update head set tails = array_fill(0::bigint, array[$1::int]) where cardinality(tails) = 0`, [
    partitions ?? defaultPartitions,
  ])
  if (partitions === undefined) return
  const { rows } = await pool.query<{ count: number }>('select grow($1) as count', [partitions])
  const count = rows[0]?.count ?? 0
  if (count > partitions) throw new Error(`the ledger of ${service} has ${count} partitions, not ${partitions}: the count can only grow`)
  if (count < partitions) log.info({ service, before: count, partitions }, 'a larger partition plan begins')
}
