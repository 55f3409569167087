import type { Instant } from '@rondo/kernel'
import type { Found } from '@rondo/reaction'
import { type AttemptView, attemptsOf, type Build } from './build.ts'

/** What is red on a branch: the first build that failed after the last that succeeded, by when they finished. */
export interface Broken {
  readonly name: string
  readonly first: Found<Build>
  readonly latest: Found<Build>
  readonly since: Instant
}
interface Finished {
  readonly build: Found<Build>
  readonly at: Instant
  readonly last: AttemptView
}
const red = ['failure', 'error', 'timed_out']

/** Builds of the same name follow each other; those that neither passed nor failed (cancelled, skipped …) say nothing. */
export function brokenOf(builds: readonly Found<Build>[]): readonly Broken[] {
  const finished = builds.flatMap((build): Finished[] => {
    const last = attemptsOf(build.state).at(-1)
    return last?.finished_at && last.outcome && (last.outcome === 'success' || red.includes(last.outcome))
      ? [{ build, at: last.finished_at, last }]
      : []
  })
  const byName = Map.groupBy(finished, ({ build }) => build.state.name?.value ?? build.state.kind?.value ?? '')
  return [...byName].flatMap(([name, all]): Broken[] => {
    const order = all.sort((a, b) => (a.at === b.at ? (a.build.id < b.build.id ? -1 : 1) : a.at < b.at ? -1 : 1))
    const failing = order.slice(order.findLastIndex(({ last }) => last.outcome === 'success') + 1)
    const [first] = failing
    const latest = failing.at(-1)
    return first && latest ? [{ name, first: first.build, latest: latest.build, since: first.at }] : []
  })
}
