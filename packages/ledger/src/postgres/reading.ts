import { together } from '@rondo/bus'
import type { ArchiveReader } from '../archive/reader.ts'
import type { HeadRow, Seen } from '../storage.ts'
import type { Reading } from '../store.ts'
import { chainedEvents, loopHistory, streamEvents } from './archived.ts'
import { ints, texts } from './arrays.ts'
import { type Queryable, type Schema, sqlOf } from './connection.ts'
import { page } from './listing.ts'

const findText = 'select find_streams($1, $2, $3, $4) as found'
interface FindAnswer {
  readonly found: {
    readonly rows: readonly HeadRow[] | null
    readonly held: readonly (readonly [n: number, key: string])[] | null
    readonly seen: Seen
  }
}

const checkpointText = `
  select n, position, next_offset as offset from unnest($1::text[], $2::int[]) with ordinality as mine(source, partition, n)
  join checkpoint using (source, partition)`

interface Chain {
  readonly source: string
  readonly partition: number
}

/** A process that starts asks for all of its partitions at once: one statement, and not a connection for each. */
const checkpointsOf = (pool: Queryable) =>
  together(async (chains: readonly Chain[]) => {
    const values = [texts(chains.map(({ source }) => source)), ints(chains.map(({ partition }) => partition))]
    const { rows } = await pool.query<{ n: string; position: string; offset: string }>(checkpointText, values)
    const found = new Map(rows.map((row) => [Number(row.n), { position: Number(row.position), nextOffset: BigInt(row.offset) }]))
    return new Map(chains.map((chain, index) => [chain, found.get(index + 1)]))
  })

export function reading({ pool }: Schema, archive: ArchiveReader): Reading {
  const checkpoints = checkpointsOf(pool)
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
    checkpoint: (source, partition) => checkpoints.find({ source, partition }),
    async checkpoints() {
      const { rows } = await pool.query<{ source: string; partition: number; position: string }>(
        'select source, partition, position from checkpoint',
      )
      return rows.map((row) => ({ ...row, position: Number(row.position) }))
    },
    sql: sqlOf(pool),
  }
}
