import { type Clock, Gathered, realClock } from '@rondo/bus'
import type { AnyStream } from '@rondo/kernel'
import type { View } from '@rondo/reaction'
import type pg from 'pg'
import type { Archiving } from './archive/port.ts'
import { Commits } from './commits.ts'
import { type Batched, checkedName, type Database, type Log, silent, type Way } from './database.ts'
import { reaching } from './failure.ts'
import { type AcceptedGap, acceptGap } from './gaps.ts'
import { forgetOld, startHousekeeping } from './housekeeping.ts'
import { Known } from './known.ts'
import { type ParkedRecord, park, skip } from './parking.ts'
import type { Ledger, ParkedKey } from './port.ts'
import { postgresStore } from './postgres/store.ts'
import { reads } from './read.ts'
import type { RelayOptions } from './relay.ts'
import { ledgerRules, type RecordBound } from './rules.ts'
import type { RebuildOptions, RebuiltPage, Store } from './store.ts'
import { Timers } from './timers.ts'
import { Writer } from './writer.ts'

/** A ledger on whatever store. */
export interface StoreOptions {
  readonly service: string
  readonly streams: readonly AnyStream[]
  readonly views?: readonly View[]
  readonly store: Store
  /** The partition plan: 8 in a new ledger unless told. A larger count begins a new plan in an existing one; a smaller is refused. */
  readonly partitions?: number
  /** Bytes of an event's data, and of a state: 1,000,000 unless told. */
  readonly maxEventBytes?: number
  /** Where events are sent to: what is larger than that takes is refused (`too_large`) before it is recorded. */
  readonly record?: RecordBound
  readonly log?: Log
  readonly clock?: Clock
  /** Where several ledgers share a process. */
  readonly way?: Way
  /** After each batch: how large it was, and how much of it was lost to others. Must not throw. */
  readonly onBatch?: (batch: Batched) => void
}

export interface LedgerOptions extends Omit<StoreOptions, 'store'> {
  /** The URL of the service's role, or a pool whose connections have the service's schema first on their search path. */
  readonly database: string | pg.Pool
  /** Connections where a URL is given; 10 unless told. */
  readonly connections?: number
  /** Where events of closed streams are archived, and read from again. Processes of one service share it. */
  readonly archiveFolder?: string
}

export interface OpenLedger extends Ledger, Archiving {
  /** For `startRelay`. */
  readonly database: Database
  /** For `startRelay`. */
  readonly join: RelayOptions['join']
  /** Begins to fire due tells and to forget old message ids, until `close`. */
  startTimers(): void
  /** Fires what is due now; resolves with how many this process fired. */
  fireDue(): Promise<number>
  /** Forgets outcomes whose time is over. */
  forgetOld(): Promise<number>
  /** What waits behind a parked key, oldest first. */
  parkedRecords(key: Pick<ParkedKey, 'source' | 'partition' | 'key'>): Promise<readonly ParkedRecord[]>
  /** Leaves a parked record out; who and why is kept. To apply it, submit a unit with `parked`. */
  skip(record: ParkedRecord, by: { readonly actor: string; readonly why: string }): Promise<void>
  /**
   * Makes states and views again from the events, a page at a time beside all that goes on, and compares them with what is stored;
   * with `repair` what differs is put right. Begins anew without `from`, else goes on where a page said.
   */
  rebuildPage(options: RebuildOptions): Promise<RebuiltPage>
  /** Goes on behind records of a topic that are lost for ever; who and why is kept. */
  acceptGap(gap: AcceptedGap): Promise<void>
}

/** Opens a migrated ledger: resolves when every state is of the present fold. Rejects with a sentence where it cannot be used. */
export async function openLedger({ database, connections = 10, archiveFolder, ...options }: LedgerOptions): Promise<OpenLedger> {
  const { service, log = silent } = options
  checkedName(service, 'service')
  return openLedgerOn({ ...options, store: postgresStore({ service, database, connections, log, archiveFolder }) })
}

/** As `openLedger`, on a given store, which it closes. */
export async function openLedgerOn(options: StoreOptions): Promise<OpenLedger> {
  const { service, streams, views = [], store, log = silent, clock = realClock, maxEventBytes = 1_000_000 } = options
  const { onBatch, way } = options
  const database: Database = { service, store, log, clock, ...(onBatch ? { onBatch } : {}), ...(way ? { way } : {}) }
  const rules = ledgerRules(service, streams, views, { maxEventBytes, record: options.record })
  try {
    await store.prepare(rules, views, options.partitions)
  } catch (error) {
    await store.close()
    throw error
  }
  const commits = new Commits(database)
  const known = new Known(clock, rules)
  const writer = new Writer(database, rules, known, commits.own)
  const timers = new Timers(database, rules, writer)
  let stopHousekeeping: (() => void) | undefined
  return {
    database,
    submit: (unit) => writer.submit(unit),
    ...lookUps(database, known),
    onCommit: (listener) => commits.on(listener),
    join: commits.join,
    park: (record, at) => park(database, record, at),
    skip: (record, by) => skip(database, record, by),
    acceptGap: (gap) => acceptGap(database, gap),
    ...store.archiving(rules),
    rebuildPage: (options) => store.rebuildPage(rules, views, options),
    startTimers() {
      timers.start(commits.on.bind(commits))
      stopHousekeeping ??= startHousekeeping(database)
    },
    fireDue: () => reaching(timers.fireDue()),
    forgetOld: () => reaching(forgetOld(database)),
    async close() {
      stopHousekeeping?.()
      await timers.stop()
      await writer.close()
      await commits.close()
      await store.close()
    },
  }
}

/** What only reads. */
function lookUps(database: Database, known: Known) {
  const { store, clock } = database
  const messages = new Gathered(
    () => clock.turn(),
    (ids: readonly string[]) => reaching(store.findMessages(ids)),
  )
  return {
    ...reads(database, known),
    sql: store.sql,
    events: (after, limit, filter) => reaching(store.eventsAfter(after, limit, filter?.types)),
    chained: (after, limit) => reaching(store.chainedEvents(after, limit)),
    async head() {
      const { position, epoch, raised } = await reaching(store.standing())
      return { position, epoch, raised }
    },
    history: (loopId, limit) => reaching(store.loopHistory(loopId, limit)),
    tracesBefore: (streams, own) => reaching(store.tracesBefore(streams, own)),
    checkpoint: (source, partition) => reaching(store.checkpoint(source, partition)),
    checkpoints: () => reaching(store.checkpoints()),
    parkedKeys: () => reaching(store.parkedKeys()),
    isParked: (source, partition, key) => reaching(store.isParked({ source, partition, key })),
    known: (id) => messages.find(id),
    knownOf: (ids) => messages.findAll(ids),
    parkedRecords: (key) => reaching(store.parkedRecords(key)),
  } satisfies Partial<OpenLedger>
}
