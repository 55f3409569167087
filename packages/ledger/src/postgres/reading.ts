import type { ArchiveReader } from '../archive/reader.ts'
import type { HeadRow, Seen } from '../storage.ts'
import type { Reading } from '../store.ts'
import { chainedEvents, loopHistory, streamEvents } from './archived.ts'
import { texts } from './arrays.ts'
import { type Schema, sqlOf } from './connection.ts'
import { page } from './listing.ts'

const findText = 'select find_streams($1, $2, $3, $4) as found'
interface FindAnswer {
  readonly found: {
    readonly rows: readonly HeadRow[] | null
    readonly held: readonly (readonly [n: number, key: string])[] | null
    readonly seen: Seen
  }
}

export function reading({ pool }: Schema, archive: ArchiveReader): Reading {
  return {
    async find({ keys, held }) {
      const values = [keys, held.map(({ stream }) => stream), held.map(({ name }) => name), held.map(({ value }) => value)].map(texts)
      const { rows: answers } = await pool.query<FindAnswer>({ name: 'find', text: findText, values })
      const [answer] = answers
      if (!answer) throw new Error('the find query gave no row')
      const { rows, held: pairs, seen } = answer.found
      const holders = Map.groupBy(pairs ?? [], ([n]) => n)
      return { rows: rows ?? [], holders: held.map((_, index) => holders.get(index + 1)?.map(([, key]) => key) ?? []), seen }
    },
    page: (stream, listing) => page(sqlOf(pool), stream, listing),
    streamEvents: (stream, id, after, upTo) => streamEvents(pool, archive, { stream, id }, after, upTo),
    async eventsAfter(after, limit, types) {
      return (await chainedEvents(pool, archive, after, limit, types)).map(({ event }) => event)
    },
    chainedEvents: (after, limit) => chainedEvents(pool, archive, after, limit),
    loopHistory: (loopId, limit) => loopHistory(pool, archive, loopId, limit),
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
