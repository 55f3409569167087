import type { AnyStream } from '@rondo/kernel'
import type pg from 'pg'
import type { ArchiveReader } from '../archive/reader.ts'
import { derive } from '../derived.ts'
import { unavailable } from '../failure.ts'
import type { LedgerRules } from '../rules.ts'
import { keyOf } from '../storage.ts'
import { refoldedAll, snapshot } from './archived.ts'
import { type Schema, transaction } from './connection.ts'

/** Streams refolded in one transaction: it holds the head row for a few milliseconds. */
const chunk = 300
/** As many as are folded again while nobody can write any, which takes a fifth of a second: more than begin in the moment before. */
const mostHeld = 2_000

interface Stale {
  readonly id: string
  readonly version: number
}

/**
 * Folds again what a lower fold has stored, and then keeps lower folds from writing. While it runs, processes of the lower fold
 * go on with the streams that are not folded yet; what they have written in between is folded while they wait, so that however often they
 * write it comes to an end. Any number may run it at once: each row is compared and set.
 */
export async function rebuild(schema: Schema, archive: ArchiveReader, rules: LedgerRules): Promise<void> {
  for (const stream of rules.streams.values()) await rebuildStream(schema, archive, stream)
}

async function rebuildStream(schema: Schema, archive: ArchiveReader, stream: AnyStream): Promise<void> {
  const { pool, service, log } = schema
  const { rows } = await pool.query<{ fold: number }>('select (folds->$1)::int as fold from head', [stream.name])
  const stored = rows[0]?.fold ?? 0
  if (stored === stream.fold) return
  if (stored > stream.fold) {
    throw unavailable(`${service} runs with fold ${stored} of ${stream.name}, this program knows ${stream.fold}: start the newer version`)
  }
  const folded = await namingTheKey(schema, stream, () => raised(schema, archive, stream))
  if (folded > 0) log.info({ service, stream: stream.name, fold: stream.fold, folded }, 'streams folded again')
}

/** Until nothing of a lower fold is left, and nothing will come; how many were folded again. */
async function raised(schema: Schema, archive: ArchiveReader, stream: AnyStream): Promise<number> {
  let folded = 0
  for (let isClosed = false; !isClosed; ) {
    folded += await refoldAll(schema, archive, stream)
    const closing = await close(schema, archive, stream)
    folded += closing.folded
    isClosed = closing.isClosed
  }
  return folded
}

/** All that are of a lower fold, once. */
async function refoldAll(schema: Schema, archive: ArchiveReader, stream: AnyStream): Promise<number> {
  const staleAfter = (after: string) => staleStreams(schema.pool, stream, after)
  let folded = 0
  for (let stale = await staleAfter(''); stale.length > 0; stale = await staleAfter(stale.at(-1)?.id ?? ''))
    folded += await refoldStreams(schema, archive, stream, stale)
  return folded
}

async function staleStreams(pool: pg.Pool, stream: AnyStream, after: string): Promise<readonly Stale[]> {
  const { rows } = await pool.query<Stale>(
    'select id, version from stream where stream = $1 and key > $2 and fold < $3 order by key limit $4',
    [stream.name, keyOf(stream.name, after), stream.fold, chunk],
  )
  return rows
}

/**
 * With the head row locked nobody appends: what others have written since it was read is folded there, as otherwise who writes fast enough would
 * keep it from ever coming to an end. Then either nothing of a lower fold is left, and nothing will come, or there is more to do.
 */
function close({ pool }: Schema, archive: ArchiveReader, stream: AnyStream): Promise<{ isClosed: boolean; folded: number }> {
  return transaction(pool, async (client) => {
    await client.query('select from head for update')
    // Whoever has one of them locked waits for the head row: it is not waited for
    const { rows } = await client.query<Stale>(
      'select id, version from stream where stream = $1 and fold < $2 order by key limit $3 for update skip locked',
      [stream.name, stream.fold, mostHeld],
    )
    const refold = async () => replace(client, stream, headsOf(rows, await refoldedAll(client, archive, stream, rows)), 'lower fold')
    const folded = rows.length > 0 ? await refold() : 0
    const { rowCount } = await client.query('select from stream where stream = $1 and fold < $2 limit 1', [stream.name, stream.fold])
    if (rowCount) return { isClosed: false, folded }
    await client.query('update head set folds = folds || jsonb_build_object($1::text, greatest((folds->$1)::int, $2::int))', [
      stream.name,
      stream.fold,
    ])
    return { isClosed: true, folded }
  })
}

/** Read first, so that nobody waits for it: who writes one of them meanwhile wins. */
async function refoldStreams({ pool }: Schema, archive: ArchiveReader, stream: AnyStream, stale: readonly Stale[]): Promise<number> {
  const states = await snapshot(pool, (client) => refoldedAll(client, archive, stream, stale))
  return transaction(pool, (client) => replace(client, stream, headsOf(stale, states), 'lower fold'))
}

const headsOf = (stale: readonly Stale[], states: ReadonlyMap<string, unknown>) =>
  stale.map((head) => ({ ...head, state: states.get(head.id) }))

async function namingTheKey<Result>({ service }: Schema, stream: AnyStream, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '23505' && 'detail' in error) {
      throw new Error(`fold ${stream.fold} of ${stream.name} (${service}) gives a unique key to two streams: ${error.detail}`, {
        cause: error,
      })
    }
    throw error
  }
}

/**
 * Puts these states, and what follows from them, in the place of what is stored at the same version; how many. Same order of locks as an
 * append: the streams, the head row, everything else.
 */
export async function replace(
  client: pg.PoolClient,
  stream: AnyStream,
  heads: readonly { readonly id: string; readonly version: number; readonly state: unknown }[],
  which: 'lower fold' | 'any fold',
): Promise<number> {
  const locked = await client.query<{ id: string }>(
    `select s.id from stream s join unnest($1::text[], $2::int[]) as read(key, version) using (key, version)
     where s.fold < $3 or $4 order by s.key for update of s`,
    [heads.map(({ id }) => keyOf(stream.name, id)), heads.map(({ version }) => version), stream.fold, which === 'any fold'],
  )
  // Who knows what was stored has to read it again: the version stays
  await client.query(which === 'any fold' ? 'update head set repaired = repaired + 1' : 'select from head for update')
  const ids = new Set(locked.rows.map(({ id }) => id))
  const won = heads.filter(({ id }) => ids.has(id))
  const derived = won.map((head) => derive(stream, head.id, head))
  const rows = won.map(({ id, state }) => ({ id, state, phase: stream.phase?.(state) }))
  await client.query(
    `update stream s set (fold, state, phase) = (select $2::int, mine.state, mine.phase)
     from jsonb_to_recordset($3::jsonb) as mine(id text, state jsonb, phase text) where s.key = $1 || '/' || mine.id`,
    [stream.name, stream.fold, JSON.stringify(rows)],
  )
  await client.query("delete from stream_key where stream || '/' || id = any($1)", [won.map(({ id }) => keyOf(stream.name, id))])
  await client.query(
    `insert into stream_key (stream, name, value, id, is_unique, first_at) select mine.*, s.first_at
     from jsonb_to_recordset($1::jsonb) as mine(stream text, name text, value text, id text, is_unique boolean)
     join stream s on s.key = mine.stream || '/' || mine.id`,
    [JSON.stringify(derived.flatMap(({ keys }) => keys))],
  )
  const timers = JSON.stringify(derived.flatMap(({ timers }) => timers))
  const timerRows = 'jsonb_to_recordset($1::jsonb) as mine(stream text, stream_id text, tell text, due text)'
  await client.query(
    `delete from timer t where t.stream = $2 and t.stream_id = any($3) and not exists (
       select from ${timerRows} where (mine.stream_id, mine.tell, mine.due) = (t.stream_id, t.tell, t.due))`,
    [timers, stream.name, [...ids]],
  )
  // Those that are there already stay as they are: fired ones must not fire again
  await client.query(`insert into timer (stream, stream_id, tell, due) select * from ${timerRows} on conflict do nothing`, [timers])
  await client.query(
    `insert into loop select loop_id, stream, stream_id from jsonb_to_recordset($1::jsonb) as _(loop_id text, stream text, stream_id text)
     on conflict do nothing`,
    [JSON.stringify(derived.flatMap(({ loops }) => loops))],
  )
  return won.length
}
