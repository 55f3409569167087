import type { Instant } from '@rondo/kernel'
import type { Episode } from './episodes.ts'
import { earliestOf, latestOf } from './moments.ts'
import { type Running, servedHours, soleArtifact } from './running.ts'
import type { Span } from './source.ts'
import type { Step } from './verdict.ts'

/** Reports of one artifact within one hour. */
export interface Bucket {
  /** Empty: the reporter did not say. */
  readonly artifact: string
  readonly from: Instant
  readonly to: Instant
  readonly events: number
  readonly requests: number
}
/** One report that counted events. */
export interface EventRow {
  readonly report: string
  readonly artifact: string
  readonly from: Instant
  readonly to: Instant
  readonly events: number
  /** May be fewer than `events`; none: the report's own id stands for all. */
  readonly event_ids: readonly string[]
}
/** An alert that fired: its episodes are the events. */
export interface AlertEpisodes {
  readonly signal: string
  readonly episodes: readonly Episode[]
}

export type Unit = 'requests' | 'hours'
export interface Counts {
  readonly events: number
  readonly exposure: number
  readonly unit: Unit
  readonly from: Instant
  readonly to: Instant
  readonly event_ids: string[]
}
/** Something that happened, with what served it where that is known. */
export interface Happened {
  readonly event: string
  readonly at: Instant
  /** What told of it; absent where errors were counted and no signal of theirs is known yet. */
  readonly signal?: string | undefined
  readonly artifact?: string | undefined
}

/** All that was read to judge one proof at one moment. */
export interface Material {
  readonly unit: Unit
  readonly kind: 'defect' | 'rate'
  readonly clock: Instant
  readonly asked_at: Instant
  /** Artifacts with the fix. */
  readonly fixed: ReadonlySet<string>
  readonly running: Running
  readonly buckets: readonly Bucket[]
  readonly events: readonly EventRow[]
  readonly alerts: readonly AlertEpisodes[]
  /** The signal of the counted errors: service, environment and class make one. */
  readonly errors?: string | undefined
  /** When a source of the alerts was known to live. */
  readonly alive: readonly Span[]
  /** Events that a person laid at another door. */
  readonly attributed: ReadonlySet<string>
}
export interface Evidence {
  readonly asked_at: Instant
  readonly steps: readonly Step[]
  /** From fixed artifacts, not attributed elsewhere, earliest first; at most 1000. */
  readonly events: readonly Happened[]
  readonly artifacts: readonly string[]
  /** From artifacts without the fix, or from who knows which. */
  readonly noted: number
}

const maxIds = 1000
const earliestFirst = <T extends { readonly at: Instant }>(items: readonly T[]) =>
  items.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))

const episodeEvents = (alerts: readonly AlertEpisodes[], within: (at: Instant) => boolean) =>
  alerts.flatMap(({ signal, episodes }) =>
    episodes
      .filter(({ started_at }) => within(started_at))
      .map(({ started_at }) => ({ event: `${signal}@${started_at}`, signal, at: started_at })),
  )

const idsOf = ({ report, event_ids }: EventRow) => (event_ids.length > 0 ? event_ids : [report])

/** How many of the report's events a person attributed elsewhere: single ones by their id, all by the report's. */
function taken(row: EventRow, attributed: ReadonlySet<string>): number {
  if (attributed.has(row.report)) return row.events
  return Math.min(row.events, row.event_ids.filter((id) => attributed.has(id)).length)
}

const clipped = (spans: readonly Span[], within: Span): readonly Span[] =>
  spans.map(({ from, to }) => ({ from: latestOf(from, within.from), to: earliestOf(to, within.to) })).filter(({ from, to }) => from < to)

/** The moments that cut a span into pieces of an hour of the clock, its end included. */
function hoursOf({ from, to }: Span): readonly Span[] {
  const cuts: Instant[] = []
  for (let at = Math.floor(Date.parse(from) / 3_600_000) + 1; at * 3_600_000 < Date.parse(to); at++)
    cuts.push(`${new Date(at * 3_600_000).toISOString().slice(0, -1)}000Z`)
  return [...cuts, to].map((end, index) => ({ from: index === 0 ? from : (cuts[index - 1] ?? from), to: end }))
}

function requestSteps(material: Material, where: (artifact: string, span: Span) => string | undefined): readonly Step[] {
  const { fixed, buckets, events, attributed } = material
  const isFixed = (row: Bucket | EventRow) => fixed.has(where(row.artifact, row) ?? '')
  return [
    ...buckets.filter(isFixed).map(({ to, events, requests }) => ({ at: to, events, exposure: requests })),
    ...events
      .filter(isFixed)
      .map((row) => ({ at: row.to, events: -taken(row, attributed), exposure: 0 }))
      .filter(({ events }) => events < 0),
  ]
}

const hourSteps = ({ alive, clock, asked_at, running, fixed }: Material): readonly Step[] =>
  clipped(alive, { from: clock, to: asked_at })
    .flatMap(hoursOf)
    .map((span) => ({ at: span.to, events: 0, exposure: servedHours(running, fixed, span) }))

/** Counts of what artifacts with the fix served since the clock's start. */
export function evidenceOf(material: Material): Evidence {
  const { unit, kind, clock, asked_at, fixed, running, alerts, attributed } = material
  const where = (artifact: string, span: Span) => artifact || soleArtifact(running, span)
  const started = episodeEvents(alerts, (at) => at >= clock && at <= asked_at)
  // beside counted events the alert that rang because of them is the same thing seen twice: a rate must not count both
  const rung: readonly Happened[] =
    unit === 'hours' || kind === 'defect'
      ? started.map((one) => ({ ...one, artifact: soleArtifact(running, { from: one.at, to: one.at }) }))
      : []
  const counted: readonly Happened[] = material.events.flatMap((row) =>
    attributed.has(row.report)
      ? []
      : idsOf(row).map((event) => ({ event, signal: material.errors, at: row.to, artifact: where(row.artifact, row) })),
  )
  const isFixed = (artifact: string | undefined) => artifact !== undefined && fixed.has(artifact)
  const mine = ({ artifact, event }: Happened) => isFixed(artifact) && !attributed.has(event)
  const steps = unit === 'requests' ? requestSteps(material, where) : hourSteps(material)
  const foreign = material.buckets.filter((row) => !isFixed(where(row.artifact, row)))
  return {
    asked_at,
    steps: earliestFirst([...steps, ...rung.filter(mine).map(({ at }) => ({ at, events: 1, exposure: 0 }))]),
    events: earliestFirst([...counted, ...rung].filter(mine)).slice(0, maxIds),
    artifacts: [...fixed].sort(),
    noted: foreign.reduce((sum, { events }) => sum + events, 0) + rung.filter(({ artifact }) => !isFixed(artifact)).length,
  }
}

const week = 7 * 24 * 3_600_000

/** From the first event or seven days before the clock's start, whichever is longer. */
export function beforeWindow(firstEvent: Instant | undefined, clock: Instant): Span {
  const days = `${new Date(Date.parse(clock) - week).toISOString().slice(0, -1)}000Z`
  return { from: earliestOf(days, firstEvent), to: clock }
}

/** Requests where anybody counted them; else hours in which a source of the alerts was known to live. */
export function beforeCounts(window: Span, seen: Pick<Material, 'buckets' | 'events' | 'alerts' | 'alive'>): Counts {
  const { buckets, events, alerts, alive } = seen
  const requests = buckets.reduce((sum, bucket) => sum + bucket.requests, 0)
  if (requests > 0 || alerts.length === 0) {
    const count = buckets.reduce((sum, bucket) => sum + bucket.events, 0)
    return { events: count, exposure: requests, unit: 'requests', ...window, event_ids: events.flatMap(idsOf).slice(0, maxIds) }
  }
  const episodes = episodeEvents(alerts, (at) => at >= window.from && at < window.to)
  const hours = clipped(alive, window).reduce((sum, { from, to }) => sum + (Date.parse(to) - Date.parse(from)) / 3_600_000, 0)
  return {
    events: episodes.length,
    exposure: hours,
    unit: 'hours',
    ...window,
    event_ids: episodes.map(({ event }) => event).slice(0, maxIds),
  }
}
