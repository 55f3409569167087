import type { FactType } from '@rondo/kernel'
import type { View } from '@rondo/reaction'
import type { ArchiveReader } from '../archive/reader.ts'
import { checkedName } from '../database.ts'
import { unavailable } from '../failure.ts'
import type { ForeignFacts, ReadPlace } from '../foreign.ts'
import type { LedgerRules } from '../rules.ts'
import { archiveLock, pageOf } from './archived.ts'
import { type Queryable, type Schema, sqlOf, transaction } from './connection.ts'

const pageSize = 1_000

/** The types of facts that this ledger holds, without version. */
export const ownFacts = ({ streams }: LedgerRules): ReadonlySet<string> =>
  new Set([...streams.values()].flatMap((stream): readonly FactType[] => Object.values(stream.facts)).map(({ base }) => base))

/**
 * Projects the ledger's own facts into views that are new, or of a higher version than what is stored. Nobody appends meanwhile:
 * the head row is locked. Rejects where a view cannot be rebuilt from this ledger.
 */
export async function rebuildViews(database: Schema, archive: ArchiveReader, rules: LedgerRules, views: readonly View[]): Promise<void> {
  for (const view of views) {
    if ((await storedVersion(database.pool, view)) !== (view.version ?? 1))
      await renewView(database, archive, rules, view, { when: 'where it is another version' })
  }
}

/** What the view takes of other services. */
export const foreignOf = ({ on }: View, own: ReadonlySet<string>): readonly string[] =>
  on.map(({ fact }) => fact.base).filter((base) => !own.has(base))

/** Empties the view and projects all facts into it, once nobody appends, or moves a checkpoint. */
export async function renewView(
  { pool, service, log }: Schema,
  archive: ArchiveReader,
  rules: LedgerRules,
  view: View,
  {
    when = 'in any case',
    foreign,
  }: { readonly when?: 'where it is another version' | 'in any case'; readonly foreign?: ForeignFacts } = {},
): Promise<void> {
  const own = ownFacts(rules)
  const version = view.version ?? 1
  const projected = await transaction(pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(${archiveLock})`)
    await client.query('select from head for update')
    const stored = await storedVersion(client, view)
    if (stored === version && when === 'where it is another version') return 0
    if (stored !== undefined) await empty(client, view, stored, foreign ? [] : foreignOf(view, own))
    const count = (await project(client, archive, view, own)) + (foreign ? await projectForeign(client, view, own, foreign) : 0)
    await client.query(
      'insert into view_version (view, version) values ($1, $2) on conflict (view) do update set version = excluded.version',
      [view.name, version],
    )
    return count
  })
  if (projected > 0) log.info({ service, view: view.name, version, projected }, 'view rebuilt')
}

async function storedVersion(queryable: Queryable, view: View): Promise<number | undefined> {
  const { rows } = await queryable.query<{ version: number }>('select version from view_version where view = $1', [view.name])
  return rows[0]?.version
}

async function empty(client: Queryable, view: View, stored: number, foreign: readonly string[]): Promise<void> {
  const { name, version = 1, tables = [] } = view
  if (stored > version) throw unavailable(`the view ${name} has version ${stored}, this program knows ${version}: start the newer version`)
  if (foreign.length > 0) {
    throw new Error(
      `the view ${name} takes foreign facts (${foreign.join(', ')}), which this ledger does not hold: make it a new view with tables of its own`,
    )
  }
  if (tables.length === 0) throw new Error(`the view ${name} has a new version: name its tables, so that they can be emptied`)
  for (const table of tables) await client.query(`delete from ${checkedName(table, 'table')}`)
}

/** How many facts were projected. Nobody archives meanwhile, or `client` sees one moment. */
export async function project(client: Queryable, archive: ArchiveReader, view: View, own: ReadonlySet<string>): Promise<number> {
  const projections = view.on.filter(({ fact }) => own.has(fact.base))
  const types = projections.map(({ fact }) => fact.base)
  const sql = sqlOf(client)
  let count = 0
  for (let after = 0; ; ) {
    const events = await pageOf(client, archive, after, pageSize, types)
    for (const { event } of events) {
      for (const { fact, apply } of projections) if (fact.base === event.type) await apply(sql, event)
    }
    count += events.length
    after = events.at(-1)?.event.position ?? 0
    if (events.length < pageSize) return count
  }
}

/** Own facts first: a view must not mind the order between ledgers. `client` sees one moment, or nobody moves a checkpoint. */
export async function projectForeign(client: Queryable, view: View, own: ReadonlySet<string>, foreign: ForeignFacts): Promise<number> {
  const types = foreignOf(view, own)
  if (types.length === 0) return 0
  const sql = sqlOf(client)
  const places = async (text: string) =>
    (await sql<Omit<ReadPlace, 'position'> & { position: string }>(text)).map((place) => ({ ...place, position: Number(place.position) }))
  const read = await places('select source, partition, position from checkpoint')
  const left = await places(
    `select source, partition, position from parked_record
     union select source, partition, position from parked_decision where decision = 'skipped'`,
  )
  let count = 0
  await foreign({ types, read, left }, async (event) => {
    count += 1
    for (const { fact, apply } of view.on) if (fact.base === event.type) await apply(sql, event)
  })
  return count
}
