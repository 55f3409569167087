import type { Envelope } from '@rondo/kernel'
import type { Database } from './database.ts'
import { reaching } from './failure.ts'
import type { UpTo } from './port.ts'
import { selectEvents } from './storage.ts'

/** In commit order, after a position; gapless without a filter. */
export function eventsAfter({ pool }: Database, after: number, limit: number, types?: readonly string[]): Promise<readonly Envelope[]> {
  const filter = types ? 'and type = any($3)' : ''
  return reaching(
    selectEvents(pool, `where position > $1 ${filter} order by position limit $2`, types ? [after, limit, types] : [after, limit]),
  )
}

/** The whole of each stream that ever carried the loop id, in order; these are all the events that carry it, and those from before they did. */
export function loopHistory({ pool }: Database, loopId: string, limit: number): Promise<readonly Envelope[]> {
  return reaching(
    selectEvents(pool, 'where (stream, stream_id) in (select stream, stream_id from loop where loop_id = $1) order by position limit $2', [
      loopId,
      limit,
    ]),
  )
}

/** Of each stream, the traceparent of its newest event up to a version that has one, and another than `own`. */
export async function tracesBefore({ pool }: Database, streams: readonly UpTo[], own: string): Promise<readonly string[]> {
  const { rows } = await reaching(
    pool.query<{ traceparent: string }>(
      `select distinct before.traceparent from unnest($1::text[], $2::text[], $3::int[]) as one(stream, stream_id, version)
       cross join lateral (
         select traceparent from event
         where event.stream = one.stream and event.stream_id = one.stream_id and event.version <= coalesce(one.version, event.version)
           and traceparent <> $4
         order by event.version desc limit 1
       ) before`,
      [streams.map(({ stream }) => stream), streams.map(({ streamId }) => streamId), streams.map(({ upTo }) => upTo ?? null), own],
    ),
  )
  return rows.map(({ traceparent }) => traceparent)
}
