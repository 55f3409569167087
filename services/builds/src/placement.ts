import { createHash } from 'node:crypto'
import { placement as fact } from '@rondo/contracts/builds'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { canonical, same } from './seen.ts'

type Deployed = DataOf<typeof fact.deployed>
export type Changed = DataOf<typeof fact.changed>
interface Event {
  readonly at: Instant
  readonly deployment: string
  readonly outcome: Deployed['outcome']
  /** Absent with "removed": whatever ran of the service. */
  readonly artifact?: string | undefined
  readonly revision?: string | undefined
  readonly share: number
}
/** What was told of one period. Only the latest keeps its long lists: the others' are in the events. */
interface Told {
  readonly basis: number
  readonly hash: string
  readonly data: Changed
}
/** What runs in one environment of a service; the stream's id is `service@environment`. */
export interface Placement {
  readonly service?: string | undefined
  readonly environment?: string | undefined
  readonly production: boolean
  /** The newest hundred. */
  readonly events: readonly Event[]
  /** By the time since when it ran, the newest fifty. */
  readonly told: Readonly<Record<string, Told>>
}

export const placementId = (service: string, environment: string): string => `${service}@${environment}`

export interface Running {
  readonly artifact: string
  readonly revision?: string | undefined
  readonly deployment: string
  readonly share: number
}
/** From `since` on, until the next period. The first of `running` came last; more than one while traffic is shared. Empty: nothing runs. */
export interface Period {
  readonly since: Instant
  readonly until?: Instant | undefined
  readonly running: readonly Running[]
  /** The event that began it. */
  readonly by: Event
}

const byTime = (a: Event, b: Event) => (a.at === b.at ? (canonical(a) < canonical(b) ? -1 : 1) : a.at < b.at ? -1 : 1)

function stacked(stack: readonly Running[], { deployment, outcome, artifact, revision, share }: Event): readonly Running[] {
  const index = stack.findIndex((one) => one.deployment === deployment)
  const others = stack.filter((one) => one.deployment !== deployment)
  if (outcome === 'removed') {
    if (!artifact) return []
    // unlike a roll-back it does not bring back what it has replaced
    return (stack[index]?.share ?? 0) >= 1 ? stack.slice(0, index) : others
  }
  if (outcome !== 'succeeded' || !artifact) return others
  const running = { artifact, ...(revision ? { revision } : {}), deployment, share }
  return index < 0 ? [running, ...stack] : stack.with(index, running)
}
/** The latest deployment runs, and those before it as long as some traffic is left for them. */
function serving(stack: readonly Running[]): readonly Running[] {
  const whole = stack.findIndex(({ share }) => share >= 1)
  return (whole < 0 ? stack : stack.slice(0, whole + 1)).filter(({ share }) => share > 0)
}

/** What ran when, by when deployments happened, whichever notice came first. */
export function periodsOf({ events }: Placement): readonly Period[] {
  const periods: Period[] = []
  let stack: readonly Running[] = []
  for (const event of [...events].sort(byTime)) {
    stack = stacked(stack, event)
    const running = serving(stack)
    const last = periods.at(-1)
    if (last ? same(last.running, running) : running.length === 0) continue
    if (last?.since === event.at) periods.pop()
    const before = periods.at(-1)
    if (before) periods[periods.length - 1] = { ...before, until: event.at }
    periods.push({ since: event.at, running, by: event })
  }
  return periods
}

/** What is in force now: what was told of the latest period. */
export const currentOf = ({ told }: Placement): Told | undefined =>
  Object.entries(told)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .at(-1)?.[1]

function deployed(placement: Placement, data: Deployed): Placement {
  const { service, environment, production, deployment, outcome, artifact, revision, share, at } = data
  const event: Event = { at, deployment, outcome, ...(artifact ? { artifact } : {}), ...(revision ? { revision } : {}), share }
  const known = placement.events.some((one) => same(one, event))
  return {
    ...placement,
    service,
    environment,
    production: placement.production || production,
    events: known ? placement.events : [...placement.events, event].sort(byTime).slice(-100),
  }
}
/** Of all that it says; when it was computed and what followed is not part of it. */
const hashOf = ({ basis: _, until: __, ...data }: Changed) => createHash('sha256').update(canonical(data)).digest('hex').slice(0, 16)
const brief = (told: Told): Told => ({ ...told, data: { ...told.data, contains: [], changes_entered: [], changes_left: [] } })
function changed(told: Placement['told'], data: Changed): Placement['told'] {
  const basis = data.basis ?? 0
  const known = told[data.since]
  if (known && known.basis > basis) return told
  const all = Object.entries({ ...told, [data.since]: { basis, hash: hashOf(data), data } })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(-50)
  return Object.fromEntries(all.map(([since, one], index) => [since, index === all.length - 1 ? one : brief(one)]))
}

export const placement = stream('placement', fact, { production: false, events: [], told: {} } as Placement)({
  fold: 1,
  asks: {},
  tells: {
    deployed: (placement, data: Deployed) => (same(deployed(placement, data), placement) ? [] : [fact.deployed(data)]),
    /** What was found out about a period; told again only where it says something new. */
    changed({ told }, data: Changed) {
      const known = told[data.since]
      return known && (known.basis > (data.basis ?? 0) || known.hash === hashOf(data)) ? [] : [fact.changed(data)]
    },
  },
  evolve: {
    deployed: (placement, data) => deployed(placement, data),
    changed: (placement, data) => ({ ...placement, told: changed(placement.told, data) }),
  },
  phase: (placement) => {
    const last = periodsOf(placement).at(-1)
    return last ? (last.running.length > 0 ? 'running' : 'empty') : 'unseen'
  },
  keys: {
    service: ({ service }) => (service ? [service] : []),
    production: ({ service, production }) => (service && production ? [service] : []),
    missing: ({ told }) => [...new Set(Object.values(told).flatMap(({ data }) => data.missing))],
    /** An artifact's notice may still tell the revision of what runs. */
    artifact: ({ events }) => [...new Set(events.flatMap(({ artifact }) => artifact ?? []))],
  },
  loops: (placement) => currentOf(placement)?.data.contains.slice(0, 200) ?? [],
})
