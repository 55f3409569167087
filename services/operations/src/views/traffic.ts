import { traffic as fact } from '@rondo/contracts/operations'
import type { Instant } from '@rondo/kernel'
import { project, type Sql, type View } from '@rondo/reaction'
import type { Bucket, EventRow } from '../evidence.ts'
import { hashOf, placeKey } from '../names.ts'

export interface Window {
  /** By the report's end: after this … */
  readonly after: Instant
  /** … up to and with this. */
  readonly until: Instant
}

interface BucketRow {
  readonly artifact: string
  readonly from: Instant
  readonly to: Instant
  readonly events: string
  readonly requests: string
}
interface ReportRow {
  readonly report: string
  readonly artifact: string
  readonly from: Instant
  readonly to: Instant
  readonly events: string
  readonly event_ids: readonly string[]
}

/** Reports added up by hour and artifact: what a rate needs, however many reporters there are. Those that name no artifact stay single: what served is looked up by their span. */
const buckets = `
  select artifact, min(started_at) as "from", max(ended_at) as "to", sum(events)::text as events, sum(requests)::text as requests
    from traffic
   where place = $1 and ended_at > $2 and ended_at <= $3 and started_at >= $4
   group by artifact, case when artifact = '' then started_at || ended_at else left(ended_at, 13) end
   order by max(ended_at), artifact`

/** Reports that counted an event, earliest first; ids of more than 1000 are not shown (their number is). */
const reports = `
  select report, artifact, started_at as "from", ended_at as "to", events::text as events, event_ids
    from traffic
   where place = $1 and ended_at > $2 and ended_at <= $3 and started_at >= $4 and events > 0
   order by ended_at, report
   limit 1000`

const insert = `
  insert into traffic (place, source, artifact, started_at, ended_at, events, requests, event_ids, report)
  values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9)
  on conflict do nothing`

const nothing = ''

const queries = (sql: Sql) => ({
  /** `from`: reports that began earlier are left out. */
  buckets: async (place: string, { after, until }: Window, from: Instant = nothing): Promise<readonly Bucket[]> =>
    (await sql<BucketRow>(buckets, [place, after, until, from])).map((row) => ({
      ...row,
      events: Number(row.events),
      requests: Number(row.requests),
    })),
  events: async (place: string, { after, until }: Window, from: Instant = nothing): Promise<readonly EventRow[]> =>
    (await sql<ReportRow>(reports, [place, after, until, from])).map((row) => ({ ...row, events: Number(row.events) })),
})

export const trafficView: View<ReturnType<typeof queries>> = {
  name: 'traffic',
  version: 1,
  tables: ['traffic'],
  on: [
    project(fact.reported, async (sql, { id, data }) => {
      const { source, artifact = nothing, from, to, events, requests, event_ids } = data
      // ids beyond the row's own would make one event count under two names
      await sql(insert, [placeKey(data), hashOf(source), artifact, from, to, events, requests, JSON.stringify(event_ids), id])
    }),
  ],
  queries,
}
