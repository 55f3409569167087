import type { AnyStream, FactType } from '@rondo/kernel'
import type { View } from '@rondo/reaction'
import type pg from 'pg'
import type { ArchiveReader } from '../archive/reader.ts'
import { checkedName } from '../database.ts'
import { derive, type KeyRow, type TimerRow } from '../derived.ts'
import { reaching } from '../failure.ts'
import { type ForeignFacts, ForeignMissing } from '../foreign.ts'
import type { LedgerRules } from '../rules.ts'
import type { RebuildOptions, RebuildPlace, RebuiltPage } from '../store.ts'
import { refoldedAll, snapshot } from './archived.ts'
import { type Schema, transaction } from './connection.ts'
import { replace } from './rebuild.ts'
import { foreignOf, ownFacts, project, projectForeign, renewView } from './view-rebuild.ts'

const pageSize = 500

interface Stored {
  readonly id: string
  readonly version: number
  readonly keys: readonly Omit<KeyRow, 'stream' | 'id'>[]
  readonly timers: readonly Pick<TimerRow, 'tell' | 'due'>[]
}

/** One page of a rebuild, beside all that goes on: what is compared is read at one moment. */
export async function rebuildPage(
  database: Schema,
  archive: ArchiveReader,
  rules: LedgerRules,
  views: readonly View[],
  options: RebuildOptions,
): Promise<RebuiltPage> {
  const { from, repair } = options
  const parts = partsOf(rules, views)
  const place = from ?? parts[0]
  if (!place) return { part: 'stream', name: '', looked: 0, differing: [], repaired: 0 }
  const index = parts.findIndex(({ part, name }) => part === place.part && name === place.name)
  if (index < 0) throw new RangeError(`there is no ${place.part} "${place.name}" in ${database.service}`)
  const stream = rules.streams.get(place.name)
  const view = views.find(({ name }) => name === place.name)
  const following = parts[index + 1]
  if (place.part === 'view' && view)
    return { ...(await viewPage(database, archive, rules, view, options)), ...(following ? { next: following } : {}) }
  if (!stream) throw new RangeError(`there is no stream "${place.name}" in ${database.service}`)
  const { last, ...page } = await reaching(streamPage(database, archive, stream, place.after, repair))
  const next = last === undefined ? following : { ...place, after: last }
  return { ...page, ...(next ? { next } : {}) }
}

const partsOf = ({ streams }: LedgerRules, views: readonly View[]): readonly RebuildPlace[] => [
  ...[...streams.keys()].map((name) => ({ part: 'stream' as const, name, after: '' })),
  ...views.map(({ name }) => ({ part: 'view' as const, name, after: '' })),
]

async function streamPage(database: Schema, archive: ArchiveReader, stream: AnyStream, after: string, repair: boolean) {
  const { looked, last, differing } = await snapshot(database.pool, async (client) => {
    const stored = await storedHeads(client, stream, after)
    const states = await refoldedAll(client, archive, stream, stored)
    const rebuilt = stored.map((head) => ({ ...head, state: states.get(head.id) }))
    const wrong = new Map((await otherStates(client, stream, rebuilt)).map(({ id }) => [id, 'state']))
    for (const head of rebuilt) {
      const what = otherDerived(stream, head)
      if (what && !wrong.has(head.id)) wrong.set(head.id, what)
    }
    return {
      looked: stored.length,
      last: stored.length < pageSize ? undefined : stored.at(-1)?.id,
      differing: rebuilt
        .filter(({ id }) => wrong.has(id))
        .map(({ id, version, state }) => ({ id, version, state, what: wrong.get(id) ?? '' })),
    }
  })
  const repaired =
    repair && differing.length > 0 ? await transaction(database.pool, (client) => replace(client, stream, differing, 'any fold')) : 0
  return { part: 'stream' as const, name: stream.name, looked, repaired, differing: differing.map(({ id, what }) => ({ id, what })), last }
}

async function storedHeads(client: pg.PoolClient, stream: AnyStream, after: string): Promise<readonly Stored[]> {
  const { rows } = await client.query<Stored>(
    `select s.id, s.version,
       (select coalesce(json_agg(json_build_object('name', k.name, 'value', k.value, 'is_unique', k.is_unique)), '[]')
          from stream_key k where k.stream || '/' || k.id = s.key) as keys,
       (select coalesce(json_agg(json_build_object('tell', t.tell, 'due', t.due)), '[]')
          from timer t where t.stream = s.stream and t.stream_id = s.id) as timers
     from stream s where s.stream = $1 and s.key > $2 order by s.key limit $3`,
    [stream.name, `${stream.name}/${after}`, pageSize],
  )
  return rows
}

/** Compared as stored documents, byte for byte: their text is made by one engine from both. */
async function otherStates(
  client: pg.PoolClient,
  stream: AnyStream,
  rebuilt: readonly { readonly id: string; readonly state: unknown }[],
): Promise<readonly { readonly id: string }[]> {
  const mine = rebuilt.map(({ id, state }) => ({ id, state, phase: stream.phase?.(state) }))
  const { rows } = await client.query<{ id: string }>(
    `select mine.id from jsonb_to_recordset($2::jsonb) as mine(id text, state jsonb, phase text)
     join stream s on s.key = $1 || '/' || mine.id
     where s.state::text is distinct from mine.state::text or s.phase is distinct from mine.phase or s.fold <> $3`,
    [stream.name, JSON.stringify(mine), stream.fold],
  )
  return rows
}

function otherDerived(stream: AnyStream, { id, state, keys, timers }: Stored & { readonly state: unknown }): string | undefined {
  const derived = derive(stream, id, { state })
  const keyText = ({ name, value, is_unique }: Omit<KeyRow, 'stream' | 'id'>) => JSON.stringify([name, value, is_unique])
  const timerText = ({ tell, due }: Pick<TimerRow, 'tell' | 'due'>) => JSON.stringify([tell, due])
  if (!sameSet(keys.map(keyText), derived.keys.map(keyText))) return 'keys'
  if (!sameSet(timers.map(timerText), derived.timers.map(timerText))) return 'timers'
  return undefined
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  new Set(a).size === new Set([...a, ...b]).size && a.length === b.length

async function viewPage(
  database: Schema,
  archive: ArchiveReader,
  rules: LedgerRules,
  view: View,
  { repair, foreign }: Pick<RebuildOptions, 'repair' | 'foreign'>,
): Promise<RebuiltPage> {
  const { name, tables = [] } = view
  const own = ownFacts(rules)
  const page = { part: 'view' as const, name, looked: 0, differing: [], repaired: 0 }
  const others = foreignOf(view, own)
  if (others.length > 0 && !foreign) return { ...page, left: `it takes facts of other services (${others.join(', ')})` }
  if (tables.length === 0) return { ...page, left: 'it names no tables' }
  try {
    const { looked, differing } = await reaching(transaction(database.pool, (client) => compareView(client, archive, view, own, foreign)))
    const repaired = repair && differing.length > 0
    if (repaired) await reaching(renewView(database, archive, rules, view, foreign ? { foreign } : {}))
    return { ...page, looked, differing, repaired: repaired ? differing.length : 0 }
  } catch (error) {
    if (error instanceof ForeignMissing) return { ...page, left: error.message }
    throw error
  }
}

/**
 * Projects all facts once more into temporary tables of the same names (which are found first), at one moment; own facts are projected
 * in the transaction that appends them, so at any moment both have to be equal.
 */
async function compareView(
  client: pg.PoolClient,
  archive: ArchiveReader,
  view: View,
  own: ReadonlySet<FactType['base']>,
  foreign: ForeignFacts | undefined,
) {
  await client.query('set transaction isolation level repeatable read')
  const tables = (view.tables ?? []).map((table) => checkedName(table, 'table'))
  for (const table of tables) await client.query(`create temporary table ${table} (like ${table} including all) on commit drop`)
  await project(client, archive, view, own)
  if (foreign) await projectForeign(client, view, own, foreign)
  const differing: { id: string; what: string }[] = []
  let looked = 0
  for (const table of tables) {
    const { rows } = await client.query<{ schema: string }>('select current_schema() as schema')
    const stored = `${checkedName(rows[0]?.schema ?? '', 'schema')}.${table}`
    const rebuilt = `pg_temp.${table}`
    const counted = await client.query<{ rows: string; differing: string }>(
      `select (select count(*) from ${rebuilt}) as rows, (select count(*) from (
         (select * from ${stored} except all select * from ${rebuilt}) union all (select * from ${rebuilt} except all select * from ${stored})) as other) as differing`,
    )
    looked += Number(counted.rows[0]?.rows ?? 0)
    const count = Number(counted.rows[0]?.differing ?? 0)
    if (count > 0) differing.push({ id: table, what: `${count} rows` })
  }
  return { looked, differing }
}
