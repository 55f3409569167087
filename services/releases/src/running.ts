import type { Instant } from '@rondo/kernel'
import type { Found } from '@rondo/reaction'
import type { Deployment } from './deployment.ts'
import { inactiveSince, type Move, movesOf } from './deployment-history.ts'

export interface Running {
  readonly found: Found<Deployment>
  readonly since: Instant
  readonly share: number
}

interface Run {
  readonly found: Found<Deployment>
  readonly start: Instant
  readonly last: Move
  /** Its last share of the traffic. */
  readonly share: number
}

/** Its latest run: from the first success after it last ceased. */
function runOf(found: Found<Deployment>): Run | undefined {
  const moves = movesOf(found.state.marks)
  const last = moves.at(-1)
  if (!last) return undefined
  const end = last.kind === 'succeeded' ? moves.length : moves.length - 1
  const start = moves.slice(moves.slice(0, end).findLastIndex(({ kind }) => kind !== 'succeeded') + 1)[0]
  return start && { found, start: start.at, last, share: (last.kind === 'succeeded' ? last : moves.at(-2))?.share ?? 1 }
}

/**
 * What runs of the deployments of one place. A roll-back brings back what ran before; what became `inactive` ran until a
 * newer one did, or, with none, until then. What is removed leaves nothing, unless it served only a part of the traffic.
 */
export function runningOf(deployments: readonly Found<Deployment>[]): Running | undefined {
  const runs = deployments
    .map(runOf)
    .filter((run) => run !== undefined)
    .sort((a, b) => (a.start > b.start || (a.start === b.start && a.found.id > b.found.id) ? -1 : 1))
  const at = runs.findIndex(({ last, share }) => last.kind === 'succeeded' || (last.kind === 'removed' && share >= 1))
  const run = runs[at]
  if (!run || run.last.kind === 'removed') return undefined
  if (at === 0 && inactiveSince(run.found.state.marks)) return undefined
  const since = [run.start, ...runs.slice(0, at).map(({ last }) => last.at)].sort().at(-1) ?? run.start
  return { found: run.found, since, share: run.last.share }
}
