import type { AnyStream, Instant } from '@rondo/kernel'
import type { View } from '@rondo/reaction'
import type pg from 'pg'
import { Commits } from './commits.ts'
import { checkedName, type Database, type Log, servicePool, silent, sqlOf } from './database.ts'
import { type RebuildPlace, type RebuiltPage, rebuildPage } from './equality.ts'
import { reaching } from './failure.ts'
import { type AcceptedGap, acceptGap } from './gaps.ts'
import { eventsAfter, loopHistory, tracesBefore } from './history.ts'
import { forgetOld, startHousekeeping } from './housekeeping.ts'
import { isParked, type ParkedRecord, park, parkedKeys, parkedRecords, unpark } from './parking.ts'
import type { Ledger, ParkedKey } from './port.ts'
import { reads } from './read.ts'
import { rebuild } from './rebuild.ts'
import { ledgerRules } from './rules.ts'
import { Timers } from './timers.ts'
import { rebuildViews } from './view-rebuild.ts'
import { Writer } from './writer.ts'

export interface LedgerOptions {
  readonly service: string
  readonly streams: readonly AnyStream[]
  readonly views?: readonly View[]
  /** The URL of the service's role, or a pool whose connections have the service's schema first on their search path. */
  readonly database: string | pg.Pool
  /** Connections where a URL is given; 10 unless told. */
  readonly connections?: number
  /** The partition plan of a new ledger: 8 unless told. An existing one keeps its plan; another count is refused. */
  readonly partitions?: number
  /** Bytes of an event's data, and of a state: 1,000,000 unless told. */
  readonly maxEventBytes?: number
  readonly log?: Log
}

export interface OpenLedger extends Ledger {
  /** For `startRelay`. */
  readonly database: Database
  /** Begins to fire due tells and to forget old message ids, until `close`. */
  startTimers(): void
  /** Fires what is due now; resolves with how many this process fired. */
  fireDue(): Promise<number>
  /** Forgets outcomes whose time is over. */
  forgetOld(): Promise<number>
  /** What waits behind a parked key, oldest first. */
  parkedRecords(key: Pick<ParkedKey, 'source' | 'partition' | 'key'>): Promise<readonly ParkedRecord[]>
  /** Takes a parked record away because it was applied after all, or is skipped; who and why is kept. */
  unpark(
    record: ParkedRecord,
    by: { readonly decision: 'applied' | 'skipped'; readonly actor: string; readonly why: string },
  ): Promise<void>
  /**
   * Makes states and views again from the events, a page at a time beside all that goes on, and compares them with what is stored;
   * with `repair` what differs is put right. Begins anew without `from`, else goes on where a page said.
   */
  rebuildPage(options: { readonly from: RebuildPlace | undefined; readonly repair: boolean }): Promise<RebuiltPage>
  /** Goes on behind records of a topic that are lost for ever; who and why is kept. */
  acceptGap(gap: AcceptedGap): Promise<void>
}

const defaultPartitions = 8

/** Opens a migrated ledger: resolves when every state is of the present fold. Rejects with a sentence where it cannot be used. */
export async function openLedger(options: LedgerOptions): Promise<OpenLedger> {
  const { service, streams, views = [], log = silent, maxEventBytes = 1_000_000 } = options
  checkedName(service, 'service')
  const owned = typeof options.database === 'string'
  const pool =
    typeof options.database === 'string' ? servicePool(options.database, service, options.connections ?? 10, log) : options.database
  const database: Database = { service, pool, log }
  const rules = ledgerRules(service, streams, views, maxEventBytes)
  try {
    await checkSchema(database)
    await plan(database, options.partitions)
    await rebuild(database, rules)
    await rebuildViews(database, rules, views)
  } catch (error) {
    if (owned) await pool.end()
    throw error
  }
  const commits = new Commits(database)
  const writer = new Writer(database, rules, commits.own)
  const timers = new Timers(database, rules, writer)
  let stopHousekeeping: (() => void) | undefined
  return {
    database,
    submit: (unit) => writer.submit(unit),
    read: reads(database),
    sql: sqlOf(pool),
    events: (after, limit, filter) => eventsAfter(database, after, limit, filter?.types),
    head: () => head(database),
    history: (loopId, limit) => loopHistory(database, loopId, limit),
    tracesBefore: (streams, own) => tracesBefore(database, streams, own),
    onCommit: (listener) => commits.on(listener),
    checkpoint: (source, partition) => checkpoint(database, source, partition),
    park: (record, at) => park(database, record, at),
    parkedKeys: () => parkedKeys(database),
    isParked: (source, partition, key) => isParked(database, source, partition, key),
    known: (id) => known(database, id),
    parkedRecords: (key) => parkedRecords(database, key),
    unpark: (record, by) => unpark(database, record, by),
    acceptGap: (gap) => acceptGap(database, gap),
    rebuildPage: (options) => rebuildPage(database, rules, views, options),
    startTimers() {
      timers.start()
      stopHousekeeping ??= startHousekeeping(database)
    },
    fireDue: () => reaching(timers.fireDue()),
    forgetOld: () => reaching(forgetOld(database)),
    async close() {
      stopHousekeeping?.()
      await timers.stop()
      await writer.close()
      await commits.close()
      if (owned) await pool.end()
    },
  }
}

async function checkSchema({ pool, service }: Database): Promise<void> {
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

/** The first to open a ledger sets its plan. */
async function plan({ pool, service }: Database, partitions: number | undefined): Promise<void> {
  await pool.query(`update head set tails = array_fill(0::bigint, array[$1::int]) where cardinality(tails) = 0`, [
    partitions ?? defaultPartitions,
  ])
  const { rows } = await pool.query<{ count: number }>('select cardinality(tails) as count from head')
  const count = rows[0]?.count ?? 0
  if (partitions !== undefined && count !== partitions) {
    throw new Error(
      `the ledger of ${service} has ${count} partitions, not ${partitions}: growing the count is a new partition plan, which starts after the old one is drained`,
    )
  }
}

async function head({ pool }: Database): Promise<{ position: number; epoch: number }> {
  const { rows } = await reaching(pool.query<{ position: string; epoch: number }>('select position, epoch from head'))
  return { position: Number(rows[0]?.position ?? 0), epoch: rows[0]?.epoch ?? 1 }
}

async function checkpoint({ pool }: Database, source: string, partition: number) {
  const { rows } = await reaching(
    pool.query<{ position: string; offset: string }>(
      'select position, next_offset as offset from checkpoint where source = $1 and partition = $2',
      [source, partition],
    ),
  )
  return rows[0] && { position: Number(rows[0].position), nextOffset: BigInt(rows[0].offset) }
}

async function known({ pool }: Database, id: string) {
  const { rows } = await reaching(
    pool.query<{ hash: string; at: Instant; duplicates: number; conflicts: number }>(
      'select hash, at, duplicates, conflicts from message where id = $1',
      [id],
    ),
  )
  return rows[0]
}
