import { testRun as fact } from '@rondo/contracts/builds'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { earliest, later, type Seen, same } from './seen.ts'

type Observed = DataOf<typeof fact.observed>
type Outcome = NonNullable<Observed['outcome']>
interface Finish {
  readonly at: Instant
  readonly outcome: Outcome
}
export interface TestRun {
  readonly source?: string | undefined
  readonly run?: string | undefined
  readonly queued_at?: Instant | undefined
  readonly started_at?: Instant | undefined
  /** Distinct ones, the latest twenty, latest last. */
  readonly finishes: readonly Finish[]
  readonly kind?: Seen<'suite' | 'case'> | undefined
  readonly suite?: Seen<string> | undefined
  readonly artifact?: Seen<string> | undefined
}

export const testRunId = (source: string, run: string): string => `${source}#${run}`
const success = ({ outcome }: Finish) => (outcome === 'success' ? 0 : 1)
const byTime = (a: Finish, b: Finish) =>
  a.at === b.at ? success(a) - success(b) || (a.outcome < b.outcome ? -1 : 1) : a.at < b.at ? -1 : 1

export const outcomeOf = ({ finishes }: TestRun): Outcome | undefined => finishes.at(-1)?.outcome
export function phaseOf(run: TestRun): string {
  const outcome = outcomeOf(run)
  if (outcome) return outcome === 'skipped' ? 'skipped' : 'finished'
  return run.started_at ? 'started' : run.queued_at ? 'queued' : 'unseen'
}
/** Two finishes that contradict each other: does the source give one id to several runs? Undefined: none do. */
export const conflictOf = ({ finishes, run }: TestRun): string | undefined =>
  new Set(finishes.map(({ outcome }) => outcome)).size > 1
    ? `${finishes.length} finishes of run ${run} contradict each other (${finishes.map(({ at, outcome }) => `${outcome} at ${at}`).join(', ')}); the last one counts. Does the source use one id for several runs?`
    : undefined

function finished(finishes: readonly Finish[], finish: Finish): readonly Finish[] {
  if (finishes.some((one) => one.at === finish.at && one.outcome === finish.outcome)) return finishes
  return [...finishes, finish].sort(byTime).slice(-20)
}
function observed(run: TestRun, data: Observed, at: Instant): TestRun {
  const ended = data.phase === 'finished' || data.phase === 'skipped'
  return {
    ...run,
    source: data.source,
    run: data.run,
    queued_at: data.phase === 'queued' ? earliest(run.queued_at, at) : run.queued_at,
    started_at: data.phase === 'started' ? earliest(run.started_at, at) : run.started_at,
    // finished without a word how: that is no success
    finishes: ended
      ? finished(run.finishes, { at, outcome: data.phase === 'skipped' ? 'skipped' : (data.outcome ?? 'neutral') })
      : run.finishes,
    kind: later(run.kind, data.kind, at),
    suite: later(run.suite, data.suite, at),
    artifact: later(run.artifact, data.artifact, at),
  }
}

export const testRun = stream('test_run', fact, { finishes: [] } as TestRun)({
  fold: 1,
  asks: {},
  tells: { observed: (run, data: Observed, { at }) => (same(observed(run, data, at), run) ? [] : [fact.observed(data)]) },
  evolve: { observed: (run, data, { at }) => observed(run, data, at) },
  phase: phaseOf,
  keys: { source: ({ source }) => (source ? [source] : []) },
})
