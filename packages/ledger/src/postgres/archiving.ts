import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type AnyStream, DomainError } from '@rondo/kernel'
import type pg from 'pg'
import { archiveFormat, differenceOf, type Found, look, type Manifest, madeFolder, settle, writeDraft } from '../archive/file.ts'
import { type EventText, lineOf } from '../archive/line.ts'
import type { ArchivedPage, ArchiveOptions, ArchivePlace, Archiving, CheckedFile, Unarchived, UnarchiveOptions } from '../archive/port.ts'
import type { ArchiveReader } from '../archive/reader.ts'
import type { LedgerRules } from '../rules.ts'
import { keyOf } from '../storage.ts'
import { archiveLock, snapshot } from './archived.ts'
import { type Schema, transaction } from './connection.ts'

/** Events in a file, unless one stream alone has more: a file is read as a whole for each stream that is looked for in it. */
const mostEvents = 5_000
/** Streams looked at for one file. */
const mostLooked = 20_000
const pageSize = 500
const chunk = 1_000
const filesChecked = 10

/** One at a time writes and takes, or brings back. */
async function onlyOne(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<{ got: boolean }>(`select pg_try_advisory_xact_lock(${archiveLock}) as got`)
  if (!rows[0]?.got) throw new DomainError('conflict', 'another one archives, brings back or renews a view just now: try again')
}

export function archiving(schema: Schema, archive: ArchiveReader): (rules: LedgerRules) => Archiving {
  return (rules) => ({
    archivePage: (options) => archivePage(schema, archive, rules, options),
    unarchive: (options) => unarchive(schema, archive, options),
    checkArchive: (after) => checkArchive(schema, archive, after),
  })
}

interface Candidate {
  readonly id: string
  readonly version: number
  readonly archived: number
  readonly firstAt: string
  /** Nothing keeps it. */
  readonly rests: boolean
}
interface Chosen {
  readonly stream: string
  readonly id: string
  readonly version: number
}
interface Choice {
  readonly chosen: readonly Chosen[]
  readonly events: number
  readonly looked: number
  readonly kept: number
  readonly next: ArchivePlace | undefined
}

async function archivePage(schema: Schema, archive: ArchiveReader, rules: LedgerRules, options: ArchiveOptions): Promise<ArchivedPage> {
  const { folder } = archive
  if (folder === undefined) throw new DomainError('not_configured', 'no folder of archives is set (RONDO_ARCHIVE_DIR)')
  const page = await transaction(schema.pool, (client) => moved(schema, client, folder, rules, options))
  // Not before: who has looked at the table holds it until then
  return page.manifest ? { ...page, dropped: await dropEmpty(schema) } : page
}

/**
 * Events never change: what is chosen at one moment can be taken at a later one, whatever is added to its streams meanwhile. They are
 * taken in a transaction of their own, so that the file is known from the very moment at which they are gone.
 */
async function moved(
  schema: Schema,
  client: pg.PoolClient,
  folder: string,
  rules: LedgerRules,
  options: ArchiveOptions,
): Promise<ArchivedPage> {
  await onlyOne(client)
  const { chosen, events, looked, kept, next } = await choose(client, rules, options)
  const page = { looked, kept, streams: chosen.length, events, dropped: 0, ...(next ? { next } : {}) }
  await options.onStep?.('chosen')
  if (options.dryRun || chosen.length === 0) return page
  const manifest = await written(schema, client, folder, chosen, options)
  await transaction(schema.pool, async (taking) => {
    await note(taking, manifest, chosen, options)
    await take(taking, chosen, manifest)
    await options.onStep?.('taken')
  })
  await options.onStep?.('done')
  return { ...page, events: manifest.events, manifest }
}

/** Goes through closed streams by the time of their first event until a file is full. */
async function choose(client: pg.PoolClient, rules: LedgerRules, { before, from }: ArchiveOptions): Promise<Choice> {
  const kinds = [...rules.streams.values()].filter(({ closed = [] }) => closed.length > 0)
  const chosen: Chosen[] = []
  let [events, looked, kept] = [0, 0, 0]
  let place: ArchivePlace = from ?? { stream: kinds[0]?.name ?? '', at: '', id: '' }
  const { rows } = await client.query<{ sent: string }>('select coalesce(min(position), 0) as sent from relay')
  const sent = rows[0]?.sent ?? '0'
  for (let index = kinds.findIndex(({ name }) => name === place.stream); index >= 0; ) {
    const kind = kinds[index]
    if (!kind) return { chosen, events, looked, kept, next: undefined }
    if (kind.name !== place.stream) place = { stream: kind.name, at: '', id: '' }
    const page = await candidates(client, kind, place, before, sent)
    for (const { id, version, archived, firstAt, rests } of page) {
      const count = version - archived
      if (rests && chosen.length > 0 && events + count > mostEvents) return { chosen, events, looked, kept, next: place }
      place = { stream: kind.name, at: firstAt, id }
      looked += 1
      if (!rests) kept += 1
      else {
        chosen.push({ stream: kind.name, id, version })
        events += count
      }
    }
    if (looked >= mostLooked) return { chosen, events, looked, kept, next: place }
    if (page.length < pageSize) index += 1
  }
  return { chosen, events, looked, kept, next: undefined }
}

/** Closed streams with events in the table. One rests that has nothing new, unsent, due or parked, and a state of the present fold. */
async function candidates(
  client: pg.PoolClient,
  { name, fold, closed = [] }: AnyStream,
  { at, id }: ArchivePlace,
  before: string,
  sent: string,
) {
  const { rows } = await client.query<Candidate>(
    `select s.id, s.version, s.first_at as "firstAt", a.version as archived,
       s.fold = $6
         and not exists (select from event e where e.stream = s.stream and e.stream_id = s.id and (e.position > $7 or e.recorded_at >= $8))
         and not exists (select from timer t where t.stream = s.stream and t.stream_id = s.id and t.fired_at is null)
         and not exists (select from parked_key p where p.key = s.key) as rests
     from stream s cross join lateral (select coalesce(max(version), 0) as version from archived_stream where key = s.key) a
     where s.stream = $1 and s.phase = any($2) and (s.first_at, s.id) > ($3, $4) and s.version > a.version
     order by s.first_at, s.id limit $5`,
    [name, closed, at, id, pageSize, fold, sent, before],
  )
  return rows
}

const eventText = `e.id::text, e.stream, e.stream_id, e.version, e.position::text, e.previous::text, e.partition, e.type, e.schema_version, e.data::text,
  e.occurred_at, e.recorded_at, e.actor, e.correlation_id, e.causation_id, e.traceparent, e.loop_ids`

/** The rows of a query, some at a time. */
async function* rowsOf(client: pg.PoolClient, join: string, values: readonly unknown[]): AsyncGenerator<EventText> {
  await client.query(`declare archived no scroll cursor for select ${eventText} from event e ${join} order by e.position`, [...values])
  for (;;) {
    const { rows } = await client.query<EventText>(`fetch ${chunk} from archived`)
    yield* rows
    if (rows.length < chunk) break
  }
  await client.query('close archived')
}

const chosenRows = 'unnest($1::text[], $2::text[], $3::int[]) as one(stream, stream_id, version)'
const isChosen = '(e.stream, e.stream_id) = (one.stream, one.stream_id) and e.version <= one.version'
const valuesOf = (chosen: readonly Chosen[]) => [
  chosen.map(({ stream }) => stream),
  chosen.map(({ id }) => id),
  chosen.map(({ version }) => version),
]

/** The file lies there, was read back and is whole. Its name holds its hash: what another try has left behind is never overwritten by other content. */
async function written(
  { service }: Schema,
  client: pg.PoolClient,
  folder: string,
  chosen: readonly Chosen[],
  { onStep }: ArchiveOptions,
): Promise<Manifest> {
  await madeFolder(folder)
  const { rows } = await client.query<{ number: number }>('select coalesce(max(number), 0) + 1 as number from archive_file')
  const number = rows[0]?.number ?? 1
  const draft = join(folder, `${service}-${String(number).padStart(6, '0')}.${process.pid}.draft`)
  let [first, last] = [0, 0]
  async function* lines() {
    for await (const row of rowsOf(client, `join ${chosenRows} on ${isChosen}`, valuesOf(chosen))) {
      last = Number(row.position)
      first ||= last
      yield lineOf(row)
    }
  }
  try {
    const wrote = await writeDraft(draft, lines())
    await onStep?.('drafted')
    const difference = differenceOf(await look(draft), wrote)
    if (difference) throw new Error(`${draft} was not read back as it was written: ${difference}. Nothing was taken out of the ledger`)
    await onStep?.('checked')
    const file = `${service}-${String(number).padStart(6, '0')}-${wrote.sha256.slice(0, 12)}.ndjson.gz`
    const manifest = {
      format: archiveFormat,
      service,
      number,
      file,
      ...wrote,
      streams: chosen.length,
      first_position: first,
      last_position: last,
    }
    await settle(folder, draft, manifest)
    await onStep?.('settled')
    return manifest
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function note(
  client: pg.PoolClient,
  manifest: Manifest,
  chosen: readonly Chosen[],
  { actor, onStep }: ArchiveOptions,
): Promise<void> {
  const { number, file, sha256, content_sha256, bytes, events, first_position, last_position } = manifest
  await client.query(
    `insert into archive_file (number, name, sha256, content_sha256, bytes, streams, events, first_position, last_position, at, actor)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, instant(clock_timestamp()), $10)`,
    [number, file, sha256, content_sha256, bytes, chosen.length, events, first_position, last_position, actor],
  )
  await client.query(
    'insert into archived_stream (key, version, number) select key, version, $3 from unnest($1::text[], $2::int[]) as _(key, version)',
    [chosen.map(({ stream, id }) => keyOf(stream, id)), chosen.map(({ version }) => version), number],
  )
  await onStep?.('noted')
}

/** Out of the table, just what lies in the file. */
async function take(client: pg.PoolClient, chosen: readonly Chosen[], { events, file }: Manifest): Promise<void> {
  let taken = 0
  for (let from = 0; from < chosen.length; from += chunk) {
    const some = chosen.slice(from, from + chunk)
    const { rowCount } = await client.query(`delete from event e using ${chosenRows} where ${isChosen}`, valuesOf(some))
    taken += rowCount ?? 0
  }
  if (taken !== events)
    throw new Error(`${file} holds ${events} events, and ${taken} would have been taken out of the ledger: nothing was taken`)
}

async function dropEmpty({ pool }: Schema): Promise<number> {
  const { rows } = await pool.query<{ dropped: number }>('select drop_empty_partitions() as dropped')
  return rows[0]?.dropped ?? 0
}

interface FileRow extends Found {
  readonly number: number
  readonly name: string
  readonly streams: number
}
const fileRow = 'number, name, sha256, content_sha256, bytes::float8 as bytes, events, streams'

/** All in one transaction: whoever is killed in it has brought nothing back. */
function unarchive({ pool }: Schema, archive: ArchiveReader, { file, actor, onStep }: UnarchiveOptions): Promise<Unarchived> {
  return transaction(pool, async (client) => {
    await onlyOne(client)
    const known = await archivedFile(client, file)
    const path = await archive.pathOf(known.name)
    const difference = differenceOf(await look(path), known)
    if (difference)
      throw new DomainError('invalid', `file: ${path} is not as it was written: ${difference}. Put a good copy in its place`, {
        path: 'file',
      })
    await onStep?.('checked')
    await insertAll(client, archive.rows(known.name))
    await onStep?.('inserted')
    const content = createHash('sha256')
    for await (const row of rowsOf(client, `join archived_stream a on ${isOfFile}`, [known.number])) content.update(`${lineOf(row)}\n`)
    if (content.digest('hex') !== known.content_sha256)
      throw new Error(`what came back of ${known.name} is not what was taken: nothing was brought back`)
    await onStep?.('compared')
    await client.query('delete from archived_stream where number = $1', [known.number])
    await client.query('update archive_file set restored_at = instant(clock_timestamp()), restored_by = $2 where number = $1', [
      known.number,
      actor,
    ])
    await onStep?.('done')
    return { streams: known.streams, events: known.events }
  })
}

/** So that the index of streams serves it. */
const isOfFile = `a.number = $1 and e.version <= a.version
  and (e.stream, e.stream_id) = (split_part(a.key, '/', 1), substr(a.key, strpos(a.key, '/') + 1))`

async function archivedFile(client: pg.PoolClient, file: string): Promise<FileRow> {
  const { rows } = await client.query<FileRow & { restored: string | null }>(
    `select ${fileRow}, restored_at as restored from archive_file where name = $1`,
    [file],
  )
  const [known] = rows
  if (!known) throw new DomainError('not_found', `file: this ledger has archived nothing in "${file}"`, { path: 'file' })
  if (known.restored)
    throw new DomainError('wrong_phase', `file: the events of ${file} were brought back at ${known.restored} already`, { path: 'file' })
  const later = await client.query<{ name: string }>(
    `select distinct f.name from archived_stream mine join archived_stream other on other.key = mine.key and other.number > mine.number
     join archive_file f on f.number = other.number where mine.number = $1 order by f.name`,
    [known.number],
  )
  // What is archived of a stream is its beginning, so the end of it has to come back first
  if (later.rows.length > 0) {
    const names = later.rows.map(({ name }) => name)
    throw new DomainError('wrong_phase', `file: later events of its streams are archived too; bring back first ${names.join(', ')}`, {
      path: 'file',
      missing: names,
    })
  }
  return known
}

async function insertAll(client: pg.PoolClient, rows: AsyncGenerator<EventText>): Promise<void> {
  let waiting: EventText[] = []
  const insert = async () => {
    const column = <Name extends keyof EventText>(name: Name) => waiting.map((row) => row[name])
    await client.query(
      `insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
         actor, correlation_id, causation_id, traceparent, loop_ids)
       select position, id, stream, stream_id, version, partition, previous, type, schema_version, data::jsonb, occurred_at, recorded_at,
         actor, correlation_id, causation_id, traceparent, array(select jsonb_array_elements_text(loops::jsonb))
       from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::text[], $9::int[], $10::text[],
         $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[])
         as _(position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
           actor, correlation_id, causation_id, traceparent, loops)`,
      [
        ...[column('position'), column('id'), column('stream'), column('stream_id'), column('version'), column('partition')],
        ...[column('previous'), column('type'), column('schema_version'), column('data'), column('occurred_at'), column('recorded_at')],
        ...[column('actor'), column('correlation_id'), column('causation_id'), column('traceparent')],
        waiting.map(({ loop_ids }) => JSON.stringify(loop_ids)),
      ],
    )
    waiting = []
  }
  for await (const row of rows) {
    waiting.push(row)
    if (waiting.length === chunk) await insert()
  }
  if (waiting.length > 0) await insert()
}

async function checkArchive({ pool }: Schema, archive: ArchiveReader, after: number): Promise<readonly CheckedFile[]> {
  const rows = await snapshot(pool, async (client) => {
    const found = await client.query<FileRow>(
      `select ${fileRow} from archive_file where restored_at is null and number > $1 order by number limit $2`,
      [after, filesChecked],
    )
    return found.rows
  })
  const checked: CheckedFile[] = []
  for (const { name, number, events, bytes, ...known } of rows) {
    const problem = await problemOf(archive, name, { ...known, events, bytes })
    checked.push({ name, number, events, bytes, ...(problem === undefined ? {} : { problem }) })
  }
  return checked
}

async function problemOf(archive: ArchiveReader, name: string, known: Found): Promise<string | undefined> {
  try {
    return differenceOf(await look(await archive.pathOf(name)), known)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
