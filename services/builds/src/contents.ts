import type { Contents } from '@rondo/contracts/builds'
import type { Contributor } from '@rondo/contracts/values'
import type { Instant } from '@rondo/kernel'
import type { Found } from '@rondo/reaction'
import { type Asker, carrier, newIn, requirementsIn } from './containment.ts'
import { type Changed, type Period, type Placement, periodsOf, type Running } from './placement.ts'

const most = 1000
/** More than a reader can look after; the first ones lead to the rest. */
const mostMissing = 100

export interface Baseline {
  readonly artifact: string
  readonly revision?: string | undefined
}

/** What production ran at a moment, the artifact itself aside. Of several production environments the latest change counts. */
export function baselineOf(placements: readonly Found<Placement>[], artifact: string, at: Instant): Baseline | undefined {
  const before = placements
    .flatMap(({ id, state }) => periodsOf(state).map((period) => ({ ...period, id })))
    .filter(({ since, running }) => since <= at && running.length > 0 && running[0]?.artifact !== artifact)
    .sort((a, b) => (`${a.since} ${a.id}` < `${b.since} ${b.id}` ? -1 : 1))
  const last = before.at(-1)?.running[0]
  return last && { artifact: last.artifact, ...(last.revision ? { revision: last.revision } : {}) }
}

export interface Asked {
  readonly service: string
  readonly revision: string
  readonly baseline: Baseline | undefined
}

/** New commits, newest first: what the contributors are read for. */
export const newChanges = (ask: Asker, { revision, baseline }: Asked): readonly string[] => newIn(ask, revision, baseline?.revision)

/** Behind what both have, nothing is new: only what the newer one alone does not know is missing. */
function missingOf(ask: Asker, { revision, baseline }: Asked): readonly string[] {
  if (!baseline) return ask.history(revision).missing
  if (!baseline.revision) return [baseline.artifact, ...ask.history(revision).missing]
  const old = ask.history(baseline.revision)
  return [
    ...new Set([
      ...ask.history(revision).missing.filter((sha) => !old.missing.includes(sha)),
      ...old.missing.filter((sha) => sha === old.revision),
    ]),
  ]
}

export function contentsOf(ask: Asker, asked: Asked, changes: readonly string[], contributors: readonly Contributor[]): Contents {
  const fresh = new Set(changes)
  const history = ask.history(asked.revision)
  const before = new Set(asked.baseline?.revision ? requirementsIn(ask, asked.baseline.revision) : [])
  // what a new commit carries, and what is there again because what had taken it back was taken back
  const requirements = new Set(requirementsIn(ask, asked.revision).filter((id) => !before.has(id)))
  for (const commit of ask.graph.commits.values()) {
    if (commit.implements.length === 0) continue
    const { by } = carrier(ask, history, commit.sha)
    if (by && fresh.has(by)) for (const id of commit.implements) requirements.add(id)
  }
  return {
    service: asked.service,
    revision: asked.revision,
    changes: changes.slice(0, most),
    more: Math.max(0, changes.length - most),
    requirements: [...requirements].sort(),
    contributors: [...contributors],
    missing: missingOf(ask, asked).slice(0, mostMissing),
    ...(asked.baseline ? { baseline_artifact: asked.baseline.artifact } : {}),
  }
}

interface Side {
  readonly requirements: ReadonlySet<string>
  readonly changes: ReadonlySet<string>
  readonly missing: readonly string[]
}
function sideOf(ask: Asker, period: Period | undefined, revisions: ReadonlyMap<string, string>): Side {
  const requirements = new Set<string>()
  const changes = new Set<string>()
  const missing = new Set<string>()
  for (const { artifact, revision = revisions.get(artifact) } of period?.running ?? []) {
    if (!revision) {
      missing.add(artifact)
      continue
    }
    const history = ask.history(revision)
    for (const sha of history.reach) changes.add(sha)
    for (const sha of history.missing) missing.add(sha)
    for (const id of requirementsIn(ask, revision)) requirements.add(id)
  }
  return { requirements, changes, missing: [...missing].sort() }
}
const without = (one: ReadonlySet<string>, other: ReadonlySet<string>) => [...one].filter((item) => !other.has(item))

/** How many periods are looked at again when something becomes known. */
const recent = 10

/** A moment at which what ran changed, or was thought to have changed until more was known. */
interface Moment {
  readonly period: Period
  readonly before: Period | undefined
}
function momentsOf(placement: Placement): readonly Moment[] {
  const periods = periodsOf(placement)
  const looked = periods.slice(-recent)
  const real = looked.map((period) => ({ period, before: periods[periods.indexOf(period) - 1] }))
  // a late notice made it no change at all: whoever was told of one is told what ran then
  const stale = Object.keys(placement.told).flatMap((since) => {
    const there = looked.findLast((period) => period.since <= since)
    return there && there.since !== since ? [{ period: { ...there, since }, before: there }] : []
  })
  return [...real, ...stale].sort((a, b) => (a.period.since < b.period.since ? -1 : 1))
}

/** What ran until nothing did. */
const endedOf = ({ events }: Placement, { period, before }: Moment): string | undefined =>
  before?.running[0]?.artifact ??
  period.by.artifact ??
  events.findLast(({ at, artifact }) => at <= period.since && artifact !== undefined)?.artifact

/**
 * What each recent period contains, and what thereby entered or left against the period before it: by when deployments happened,
 * so a late notice or a late commit ends in the same as an early one.
 */
export function changesOf(ask: Asker, placement: Placement, revisions: ReadonlyMap<string, string>, basis: number): readonly Changed[] {
  const newestFirst = (shas: readonly string[]) => {
    const at = (sha: string) => `${ask.graph.commits.get(sha)?.committed_at ?? ''} ${sha}`
    return [...shas].sort((a, b) => (at(a) < at(b) ? 1 : -1)).slice(0, most)
  }
  const sides = new Map<readonly Running[] | undefined, Side>()
  const side = (period: Period | undefined): Side => {
    const known = sides.get(period?.running) ?? sideOf(ask, period, revisions)
    sides.set(period?.running, known)
    return known
  }
  return momentsOf(placement).flatMap((moment) => {
    const { period } = moment
    const [before, now] = [side(moment.before), side(period)]
    const first = period.running[0]
    const artifact = first?.artifact ?? endedOf(placement, moment)
    const revision = first ? (first.revision ?? revisions.get(first.artifact)) : undefined
    if (!artifact) return []
    return {
      service: placement.service ?? '',
      environment: placement.environment ?? '',
      production: placement.production,
      artifact,
      ...(revision ? { revision } : {}),
      deployment: first?.deployment ?? period.by.deployment,
      share: first?.share ?? 0,
      since: period.since,
      ...(period.until ? { until: period.until } : {}),
      entered: without(now.requirements, before.requirements).sort(),
      left: without(before.requirements, now.requirements).sort(),
      contains: [...now.requirements].sort(),
      changes_entered: newestFirst(without(now.changes, before.changes)),
      changes_left: newestFirst(without(before.changes, now.changes)),
      missing: now.missing.slice(0, mostMissing),
      basis,
    }
  })
}
