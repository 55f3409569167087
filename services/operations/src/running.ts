import { running as fact } from '@rondo/contracts/operations'
import { type Instant, millis, stream } from '@rondo/kernel'
import type { z } from 'zod'
import { whereKey } from './names.ts'
import type { Span } from './source.ts'

export type Changed = z.infer<typeof fact.changed.schema>
/** From `since` on the artifact serves `share` of the traffic; 0: nothing runs any more. One for each moment: what is told later of it stands. */
export type Placement = Omit<Changed, 'service' | 'environment'>
export interface Running {
  readonly service?: string
  readonly environment?: string
  /** Earliest first; the latest hundred. */
  readonly placements: readonly Placement[]
}
export interface Served {
  readonly placement: Placement
  /** 0 to 1 of the traffic. */
  readonly share: number
}

const kept = 100

/** What served at a moment, newest first: the latest step, and beside a partial one what it has not replaced yet. */
export function runningAt({ placements }: Running, at: Instant): readonly Served[] {
  const served: Served[] = []
  const seen = new Set<string>()
  let rest = 1
  for (const placement of placements.filter(({ since }) => since <= at).reverse()) {
    // all that ran until then was taken away
    if (placement.share === 0) break
    // an earlier step of the same artifact's roll-out
    if (seen.has(placement.artifact)) continue
    seen.add(placement.artifact)
    const share = Math.min(rest, placement.share)
    served.push({ placement, share })
    rest -= share
    if (rest <= 1e-9) break
  }
  return served
}

/** The artifact that alone served the whole span, if one did: only then an event without an artifact can be laid at its door. */
export function soleArtifact(running: Running, { from, to }: Span): string | undefined {
  const inside = running.placements.filter(({ since }) => since > from && since <= to).map(({ since }) => since)
  const served = new Set([from, to, ...inside].flatMap((at) => runningAt(running, at)).map(({ placement }) => placement.artifact))
  return served.size === 1 && runningAt(running, from).length > 0 ? [...served][0] : undefined
}

const hour = 3_600_000

/** Hours times share that these artifacts served within the span. */
export function servedHours(running: Running, artifacts: ReadonlySet<string>, { from, to }: Span): number {
  const edges = [from, ...running.placements.map(({ since }) => since).filter((since) => since > from && since < to), to]
  return edges.slice(1).reduce((sum, end, index) => {
    const start = edges[index] ?? end
    const share = runningAt(running, start)
      .filter(({ placement }) => artifacts.has(placement.artifact))
      .reduce((shares, one) => shares + one.share, 0)
    return sum + (share * Math.max(0, millis(end) - millis(start))) / hour
  }, 0)
}

/** Steps of artifacts that contain the requirement's change, earliest first. */
export const placementsWith = ({ placements }: Running, requirement: string): readonly Placement[] =>
  placements.filter(({ contains }) => contains.includes(requirement))

/** Since when nothing with the change runs there any more; undefined while something does, or never did. */
export function leftSince({ placements }: Running, requirement: string): Instant | undefined {
  const last = placements.findLastIndex(({ contains }) => contains.includes(requirement))
  return last < 0 ? undefined : placements[last + 1]?.since
}

/** Digests of the artifacts with the change that served here first at or after a moment: those before it belong to an earlier attempt. */
export function fixedSince(running: Running, requirement: string, clock: Instant): ReadonlySet<string> {
  const before = new Set(running.placements.filter(({ since }) => since < clock).map(({ artifact }) => artifact))
  return new Set(
    placementsWith(running, requirement)
      .map(({ artifact }) => artifact)
      .filter((artifact) => !before.has(artifact)),
  )
}

export const running = stream('running', fact, { placements: [] } as Running)({
  fold: 3,
  asks: {},

  tells: {
    placed({ placements }, placed: Changed) {
      const known = placements.find(({ since }) => since === placed.since)
      return known && known.told >= placed.told ? [] : [fact.changed(placed)]
    },
  },

  evolve: {
    changed(state, { service, environment, ...placement }) {
      const known = state.placements.find(({ since }) => since === placement.since)
      const placements =
        known && known.told >= placement.told ? state.placements : [...state.placements.filter((one) => one !== known), placement]
      return { service, environment, placements: placements.toSorted((a, b) => (a.since < b.since ? -1 : 1)).slice(-kept) }
    },
  },

  phase: ({ placements }) => {
    const last = placements.at(-1)
    return last ? (last.share > 0 ? 'running' : 'empty') : 'unseen'
  },
  keys: {
    service: ({ service }) => (service ? [service] : []),
    where: ({ service, environment }) => (service && environment ? [whereKey({ service, environment })] : []),
  },
})
