import type { HeadRow } from '../storage.ts'
import type { Listing, Store } from '../store.ts'
import { type Schema, sqlOf } from './connection.ts'
import { headColumns, selectEvents, selectStream } from './rows.ts'

type Reading = Pick<
  Store,
  'heads' | 'holders' | 'page' | 'streamEvents' | 'eventsAfter' | 'loopHistory' | 'tracesBefore' | 'checkpoint' | 'checkpoints' | 'sql'
>

export function reading({ pool }: Schema): Reading {
  const select = async (rest: string, values: readonly unknown[]): Promise<readonly HeadRow[]> =>
    (await pool.query<HeadRow>(`select ${headColumns('s')} from stream s where ${rest}`, [...values])).rows
  return {
    heads: (keys) => select('s.key = any($1) order by s.key', [keys]),
    holders: (stream, name, values) =>
      select(
        "s.key = any(array(select stream || '/' || id from stream_key where stream = $1 and name = $2 and value = any($3))) order by s.key",
        [stream, name, values],
      ),
    page(stream, listing) {
      const { conditions, values } = conditionsOf(stream, listing)
      return select(`${conditions} limit ${listing.limit}`, values)
    },
    streamEvents: (stream, id, after, upTo) => selectStream(pool, stream, id, after, upTo),
    eventsAfter: (after, limit, types) =>
      selectEvents(
        pool,
        `where position > $1 ${types ? 'and type = any($3)' : ''} order by position limit $2`,
        types ? [after, limit, types] : [after, limit],
      ),
    loopHistory: (loopId, limit) =>
      selectEvents(
        pool,
        'where (stream, stream_id) in (select stream, stream_id from loop where loop_id = $1) order by position limit $2',
        [loopId, limit],
      ),
    async tracesBefore(streams, own) {
      const { rows } = await pool.query<{ traceparent: string }>(
        `select distinct before.traceparent from unnest($1::text[], $2::text[], $3::int[]) as one(stream, stream_id, version)
         cross join lateral (
           select traceparent from event
           where event.stream = one.stream and event.stream_id = one.stream_id and event.version <= coalesce(one.version, event.version)
             and traceparent <> $4
           order by event.version desc limit 1
         ) before`,
        [streams.map(({ stream }) => stream), streams.map(({ streamId }) => streamId), streams.map(({ upTo }) => upTo ?? null), own],
      )
      return rows.map(({ traceparent }) => traceparent)
    },
    async checkpoint(source, partition) {
      const { rows } = await pool.query<{ position: string; offset: string }>(
        'select position, next_offset as offset from checkpoint where source = $1 and partition = $2',
        [source, partition],
      )
      return rows[0] && { position: Number(rows[0].position), nextOffset: BigInt(rows[0].offset) }
    },
    async checkpoints() {
      const { rows } = await pool.query<{ source: string; partition: number; position: string }>(
        'select source, partition, position from checkpoint',
      )
      return rows.map((row) => ({ ...row, position: Number(row.position) }))
    },
    sql: sqlOf(pool),
  }
}

/** The conditions of a list; `$1` is the stream. The keyset is exact: time as text with microseconds, then the id. */
function conditionsOf(stream: string, { phase, keys, direction, after }: Listing) {
  const values: unknown[] = [stream]
  const value = (it: unknown) => `$${values.push(it)}`
  const conditions = ['s.stream = $1']
  if (phase) conditions.push(`s.phase = ${value(phase)}`)
  for (const [name, held] of Object.entries(keys)) {
    conditions.push(
      `exists (select from stream_key k where k.stream = $1 and k.name = ${value(name)} and k.value = ${value(held)} and k.id = s.id)`,
    )
  }
  if (after) conditions.push(`(s.first_at, s.id) ${direction === 'asc' ? '>' : '<'} (${value(after.at)}, ${value(after.id)})`)
  return { conditions: `${conditions.join(' and ')} order by s.first_at ${direction}, s.id ${direction}`, values }
}
