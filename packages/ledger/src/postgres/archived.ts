import { type AnyStream, type Envelope, fold } from '@rondo/kernel'
import type pg from 'pg'
import { type EventText, envelopeOf } from '../archive/line.ts'
import type { ArchiveFile, ArchiveReader } from '../archive/reader.ts'
import { keyOf } from '../storage.ts'
import type { Chained } from '../store.ts'
import { type Queryable, transaction } from './connection.ts'
import { type ChainedRow, chainColumns, envelopeColumns, selectEvents, toChained } from './rows.ts'

/*
 * Reads over what lies in the table and what lies in files. Both are looked at in one snapshot: an event that is moved meanwhile is seen
 * on the one side or the other. Positions and versions have no gaps, so where none is seen nothing has to be looked for.
 */

/** Of the schema: who moves events holds it until its transaction ends, so that nothing outlives a process that dies. */
export const archiveLock = `hashtext('rondo archive'), hashtext(current_schema())`

/** What is read sees one moment. */
export const snapshot = <T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
  transaction(pool, async (client) => {
    await client.query('set transaction isolation level repeatable read, read only')
    return work(client)
  })

const fileColumns = 'f.number, f.name, f.first_position::float8 as first, f.last_position::float8 as last'

async function filesBehind(queryable: Queryable, after: number): Promise<readonly ArchiveFile[]> {
  const { rows } = await queryable.query<ArchiveFile>(
    `select ${fileColumns} from archive_file f where f.restored_at is null and f.last_position > $1`,
    [after],
  )
  return rows
}

async function hot(queryable: Queryable, after: number, limit: number, types: readonly string[] | undefined): Promise<readonly Chained[]> {
  const { rows } = await queryable.query<ChainedRow>(
    `select ${envelopeColumns}, ${chainColumns} from event where position > $1 ${types ? 'and type = any($3)' : ''} order by position limit $2`,
    types ? [after, limit, types] : [after, limit],
  )
  return rows.map(toChained)
}

/** No position is missing between `after` and the last. */
const isDense = (page: readonly Chained[], after: number): boolean => page.length > 0 && page.at(-1)?.event.position === after + page.length

/** A page of all events, wherever they lie, by position. `queryable` sees one moment. */
export async function pageOf(
  queryable: Queryable,
  archive: ArchiveReader,
  after: number,
  limit: number,
  types?: readonly string[],
): Promise<readonly Chained[]> {
  const page = await hot(queryable, after, limit, types)
  if (!types && isDense(page, after)) return page
  const files = await filesBehind(queryable, after)
  return files.length === 0 ? page : merged(page, archive, files, await plansOf(queryable), { after, limit, types })
}

interface Plan {
  readonly start: number
  readonly tails: readonly string[]
}

/** The newest first. */
async function plansOf(queryable: Queryable): Promise<readonly Plan[]> {
  return (await queryable.query<Plan>('select start::float8 as start, tails from plan order by plan.start desc')).rows
}

function chainedOf(row: EventText, plans: readonly Plan[]): Chained {
  const previous = Number(row.previous)
  const plan = plans.find(({ start }) => start >= previous && start < Number(row.position))
  return { event: envelopeOf(row), previous, ...(plan ? { after: plan.tails.map(Number) } : {}) }
}

async function merged(
  page: readonly Chained[],
  archive: ArchiveReader,
  files: readonly ArchiveFile[],
  plans: readonly Plan[],
  { after, limit, types }: { readonly after: number; readonly limit: number; readonly types: readonly string[] | undefined },
): Promise<readonly Chained[]> {
  const end = page.length === limit ? (page.at(-1)?.event.position ?? 0) : Number.POSITIVE_INFINITY
  const found: Chained[] = []
  for await (const row of archive.inOrder(files, after)) {
    if (Number(row.position) > end || found.length === limit) break
    if (types?.includes(row.type) ?? true) found.push(chainedOf(row, plans))
  }
  return [...page, ...found].sort((a, b) => a.event.position - b.event.position).slice(0, limit)
}

/** As `pageOf`; a snapshot is made only where something may be missing in the table. */
export async function chainedEvents(
  pool: pg.Pool,
  archive: ArchiveReader,
  after: number,
  limit: number,
  types?: readonly string[],
): Promise<readonly Chained[]> {
  const page = await hot(pool, after, limit, types)
  if (!types && isDense(page, after)) return page
  // Those that were brought back count too: they may have been archived when the table was read
  const { rowCount } = await pool.query('select from archive_file where last_position > $1 limit 1', [after])
  return rowCount ? snapshot(pool, (client) => pageOf(client, archive, after, limit, types)) : page
}

/** Which files hold events of these streams (by `stream/id`), in the order of their versions. */
async function filesOf(queryable: Queryable, keys: readonly string[]): Promise<readonly ArchiveFile[]> {
  const { rows } = await queryable.query<ArchiveFile>(
    `select ${fileColumns} from archive_file f
     where f.number in (select number from archived_stream where key = any($1)) order by f.number`,
    [keys],
  )
  return rows
}

/** Of these streams, in the order of their versions for each of them. */
async function* archivedOf(queryable: Queryable, archive: ArchiveReader, keys: readonly string[]): AsyncGenerator<Envelope> {
  const wanted = new Set(keys)
  for (const { name } of await filesOf(queryable, keys)) {
    for await (const row of archive.rows(name)) if (wanted.has(keyOf(row.stream, row.stream_id))) yield envelopeOf(row)
  }
}

/** Of one stream, in the order of versions. */
export async function streamEvents(
  pool: pg.Pool,
  archive: ArchiveReader,
  { stream, id }: { readonly stream: string; readonly id: string },
  after: number,
  upTo: number,
): Promise<readonly Envelope[]> {
  const read = (queryable: Queryable) =>
    selectEvents(queryable, 'where stream = $1 and stream_id = $2 and version > $3 and version <= $4 order by version', [
      stream,
      id,
      after,
      upTo,
    ])
  const events = await read(pool)
  if (events[0]?.version === after + 1) return events
  return snapshot(pool, async (client) => {
    const archived: Envelope[] = []
    for await (const event of archivedOf(client, archive, [keyOf(stream, id)]))
      if (event.version > after && event.version <= upTo) archived.push(event)
    return [...archived, ...(await read(client))]
  })
}

/** Everything of the streams that ever carried the loop id, by position. */
export function loopHistory(pool: pg.Pool, archive: ArchiveReader, loopId: string, limit: number): Promise<readonly Envelope[]> {
  return snapshot(pool, async (client) => {
    const events = await selectEvents(
      client,
      'where (stream, stream_id) in (select stream, stream_id from loop where loop_id = $1) order by position limit $2',
      [loopId, limit],
    )
    const { rows } = await client.query<{ key: string }>(
      `select distinct a.key from loop l join archived_stream a on a.key = l.stream || '/' || l.stream_id where l.loop_id = $1`,
      [loopId],
    )
    if (rows.length === 0) return events
    const archived: Envelope[] = []
    for await (const event of archivedOf(
      client,
      archive,
      rows.map(({ key }) => key),
    ))
      archived.push(event)
    return [...archived, ...events].sort((a, b) => a.position - b.position).slice(0, limit)
  })
}

const refoldPage = 2_000

/**
 * By stream id: the states of streams at their versions, folded from their events by the present rules. `queryable` sees one moment.
 * Rejects where an event of one is missing: a state must not be made of less than all.
 */
export async function refoldedAll(
  queryable: Queryable,
  archive: ArchiveReader,
  stream: AnyStream,
  heads: readonly { readonly id: string; readonly version: number }[],
): Promise<ReadonlyMap<string, unknown>> {
  const folded = new Map(heads.map(({ id, version }) => [id, { state: stream.initial as unknown, reached: 0, version }]))
  const add = (event: Envelope) => {
    const one = folded.get(event.streamId)
    if (!one || event.version > one.version) return
    if (event.version !== one.reached + 1) throw missing(stream, event.streamId, one.reached + 1)
    one.state = fold(stream, one.state, event)
    one.reached = event.version
  }
  const ids = [...folded.keys()]
  for await (const event of archivedOf(
    queryable,
    archive,
    ids.map((id) => keyOf(stream.name, id)),
  ))
    add(event)
  for (let [id, version] = ['', 0]; ; ) {
    const events = await selectEvents(
      queryable,
      'where stream = $1 and stream_id = any($2) and (stream_id, version) > ($3, $4) order by stream_id, version limit $5',
      [stream.name, ids, id, version, refoldPage],
    )
    for (const event of events) add(event)
    const last = events.at(-1)
    if (!last || events.length < refoldPage) break
    id = last.streamId
    version = last.version
  }
  for (const [id, { reached, version }] of folded) if (reached < version) throw missing(stream, id, reached + 1)
  return new Map([...folded].map(([id, { state }]) => [id, state]))
}

const missing = ({ name }: AnyStream, id: string, version: number): Error =>
  new Error(`event ${version} of ${name} ${id} is neither in the ledger nor in its archive: its state cannot be made again`)
