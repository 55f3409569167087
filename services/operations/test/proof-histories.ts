import { type Instant, parseInstant } from '@rondo/kernel'
import type { Question, Step } from '../src/verdict.ts'

/** One case of the shared vector `proof-histories.json`. */
export interface History {
  readonly name: string
  readonly given: {
    readonly signal: { readonly kind: string; readonly service: string; readonly environment: string }
    readonly fix_commit: string
    readonly commits: readonly { readonly sha: string; readonly parents: readonly string[] }[]
    readonly artifacts: readonly { readonly digest: string; readonly revision: string }[]
    readonly baseline: {
      readonly from: string
      readonly to: string
      readonly events: number
      readonly exposure: number
      readonly unit: string
    }
    readonly deployments: readonly {
      readonly service: string
      readonly environment: string
      readonly artifact: string
      readonly finished_at: string
      readonly outcome: string
    }[]
    readonly observations: readonly Observation[]
    readonly source_unreachable?: readonly { readonly from: string; readonly to: string }[]
    readonly reporters_answers?: readonly { readonly solved: boolean; readonly at: string }[]
    readonly deadline_at: string
    readonly target_ratio: number
  }
  readonly expect: { readonly answers: readonly Right[] }
}
export interface Observation {
  readonly from: string
  readonly to: string
  readonly artifact: string
  readonly exposure: number
  readonly count?: number
  readonly events: readonly { readonly id: string; readonly at: string; readonly artifact: string }[]
}
interface Right {
  readonly at: string
  readonly verdict: string | null
  readonly clock_started_at?: string
  readonly after_events?: number
  readonly after_exposure?: number
  readonly after_event_ids_with_fix?: readonly string[]
  readonly noted_event_ids_without_fix: readonly string[]
  readonly ratio_upper_bound?: number | null
  readonly needed_further_exposure?: number | null
  readonly requirement_reopened?: boolean
}

/** Kinds of the vector that this service does not judge yet. */
export const leftOut: Readonly<Record<string, string>> = { ratio: 'burn over a soak window needs objectives (SLO), which come later' }

export const instantOf = (text: string): Instant => parseInstant(text) ?? `not a time: ${text}`

/** Digests of the artifacts whose revision is the fix or has it among its ancestors. */
export function fixedArtifacts({ fix_commit, commits, artifacts }: History['given']): ReadonlySet<string> {
  const parents = new Map(commits.map(({ sha, parents }) => [sha, parents]))
  const reaches = (sha: string): boolean => sha === fix_commit || (parents.get(sha) ?? []).some(reaches)
  return new Set(artifacts.filter(({ revision }) => reaches(revision)).map(({ digest }) => digest))
}

/** Finish of the first successful deployment of a fixed artifact where the signal was seen. */
export function clockOf(given: History['given']): Instant | undefined {
  const fixed = fixedArtifacts(given)
  const { service, environment } = given.signal
  return given.deployments
    .filter((one) => one.outcome === 'succeeded' && one.service === service && one.environment === environment && fixed.has(one.artifact))
    .map(({ finished_at }) => instantOf(finished_at))
    .sort()[0]
}

/** The question of the vector at one of its times, the events by id, and whether an earlier answer had been "verified". */
export function historyOf({ given, expect }: History, askedAt: string) {
  const asked_at = instantOf(askedAt)
  const fixed = fixedArtifacts(given)
  const seen = given.observations.flatMap(({ events }) => events).filter(({ at }) => instantOf(at) <= asked_at)
  const events = seen.filter(({ artifact }) => fixed.has(artifact)).map(({ id }) => id)
  const counted = given.observations.filter(({ to, artifact }) => instantOf(to) <= asked_at && fixed.has(artifact))
  const steps: Step[] = [
    ...counted.map(({ to, exposure, count = 0 }) => ({ at: instantOf(to), exposure, events: count })),
    ...seen.filter(({ artifact }) => fixed.has(artifact)).map(({ at }) => ({ at: instantOf(at), exposure: 0, events: 1 })),
  ].sort((a, b) => (a.at < b.at ? -1 : 1))
  const question: Question = {
    clock_started_at: clockOf(given),
    deadline_at: instantOf(given.deadline_at),
    asked_at,
    kind: given.signal.kind === 'count' ? 'defect' : 'rate',
    target_ratio: given.target_ratio,
    before: given.baseline,
    steps,
    unreachable: given.source_unreachable?.some(({ from, to }) => instantOf(from) <= asked_at && asked_at < instantOf(to)) ?? false,
    unsolved: given.reporters_answers?.filter(({ solved, at }) => !solved && instantOf(at) <= asked_at).length ?? 0,
    looks: 'single',
  }
  const earlier = expect.answers.filter(({ at }) => instantOf(at) < asked_at)
  return {
    question,
    events,
    noted: seen.filter(({ artifact }) => !fixed.has(artifact)).map(({ id }) => id),
    reopened: events.length > 0 && earlier.some(({ verdict }) => verdict === 'verified'),
  }
}
