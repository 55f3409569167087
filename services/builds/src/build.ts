import { build as fact } from '@rondo/contracts/builds'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { earliest, later, type Seen, same } from './seen.ts'

type Observed = DataOf<typeof fact.observed>
type Outcome = NonNullable<Observed['outcome']>
interface Finish {
  readonly at: Instant
  readonly outcome: Outcome
}
interface Attempt {
  readonly queued_at?: Instant | undefined
  readonly started_at?: Instant | undefined
  /** Distinct ones; more than one outcome is a conflict that stays visible. The latest twenty. */
  readonly finishes: readonly Finish[]
}
export interface Build {
  readonly source?: string | undefined
  readonly build?: string | undefined
  readonly first_at?: Instant | undefined
  /** By number. */
  readonly attempts: Readonly<Record<string, Attempt>>
  readonly kind?: Seen<string> | undefined
  readonly name?: Seen<string> | undefined
  readonly revision?: Seen<string> | undefined
  readonly branch?: Seen<string> | undefined
  readonly repository_id?: Seen<string> | undefined
  readonly url?: Seen<string> | undefined
}

export const buildId = (source: string, build: string): string => `${source}#${build}`
const passLast = ({ outcome }: Finish) => (outcome === 'success' ? 0 : 1)
/** Latest last; at one instant what is no success counts, so that any order ends the same. */
const byTime = (a: Finish, b: Finish) =>
  a.at === b.at ? passLast(a) - passLast(b) || (a.outcome < b.outcome ? -1 : 1) : a.at < b.at ? -1 : 1

export interface AttemptView {
  readonly attempt: number
  readonly phase: 'queued' | 'started' | 'finished'
  readonly queued_at?: Instant | undefined
  readonly started_at?: Instant | undefined
  readonly finished_at?: Instant | undefined
  readonly outcome?: Outcome | undefined
  /** Empty where all agree. */
  readonly conflicts: readonly Finish[]
}
function attemptView(number: string, { queued_at, started_at, finishes }: Attempt): AttemptView {
  const last = finishes.at(-1)
  const agree = finishes.every(({ outcome }) => outcome === last?.outcome)
  return {
    attempt: Number(number),
    phase: last ? 'finished' : started_at ? 'started' : 'queued',
    queued_at,
    started_at,
    finished_at: last?.at,
    outcome: last?.outcome,
    conflicts: agree ? [] : finishes,
  }
}
/** By number; the last one is the build's state. */
export const attemptsOf = ({ attempts }: Build): readonly AttemptView[] =>
  Object.entries(attempts)
    .map(([number, attempt]) => attemptView(number, attempt))
    .sort((a, b) => a.attempt - b.attempt)
export const phaseOf = (build: Build): string => attemptsOf(build).at(-1)?.phase ?? 'unseen'

function attempted(known: Attempt | undefined, { phase, outcome }: Observed, at: Instant): Attempt {
  const attempt = known ?? { finishes: [] }
  if (phase === 'queued') return { ...attempt, queued_at: earliest(attempt.queued_at, at) }
  if (phase === 'started') return { ...attempt, started_at: earliest(attempt.started_at, at) }
  // finished without a word how: that is no success
  const finish: Finish = { at, outcome: outcome ?? 'neutral' }
  if (attempt.finishes.some((one) => one.at === finish.at && one.outcome === finish.outcome)) return attempt
  return { ...attempt, finishes: [...attempt.finishes, finish].sort(byTime).slice(-20) }
}

function observed(build: Build, data: Observed, at: Instant): Build {
  const number = String(data.attempt)
  return {
    ...build,
    source: data.source,
    build: data.build,
    first_at: earliest(build.first_at, at),
    attempts: { ...build.attempts, [number]: attempted(build.attempts[number], data, at) },
    kind: later(build.kind, data.kind, at),
    name: later(build.name, data.name || undefined, at),
    revision: later(build.revision, data.revision, at),
    branch: later(build.branch, data.branch, at),
    repository_id: later(build.repository_id, data.repository_id, at),
    url: later(build.url, data.url, at),
  }
}

export const build = stream('build', fact, { attempts: {} } as Build)({
  fold: 1,
  asks: {},
  tells: {
    observed: (build, data: Observed, { at }) => (same(observed(build, data, at), build) ? [] : [fact.observed(data)]),
  },
  evolve: { observed: (build, data, { at }) => observed(build, data, at) },
  phase: phaseOf,
  closed: ['finished'],
  keys: {
    source: ({ source }) => (source ? [source] : []),
    /** The sender's own id: reports and artifacts name it without the sender. */
    build: ({ build }) => (build ? [build] : []),
    revision: ({ revision }) => (revision ? [revision.value] : []),
    branch: ({ repository_id, branch }) => (repository_id && branch ? [`${repository_id.value}#${branch.value}`] : []),
  },
})
