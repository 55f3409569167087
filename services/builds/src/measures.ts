import type { TestCounts } from '@rondo/contracts/values'
import type { Instant } from '@rondo/kernel'
import { ratio, whole } from './decimal.ts'
import { type Evidence, suiteHash } from './evidence.ts'
import type { Measure } from './gate.ts'
import { latest } from './seen.ts'

const none: TestCounts = { tests: 0, passed: 0, failed: 0, errors: 0, skipped: 0, flaky: 0 }
const plus = (a: TestCounts, b: TestCounts): TestCounts => ({
  tests: a.tests + b.tests,
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  errors: a.errors + b.errors,
  skipped: a.skipped + b.skipped,
  flaky: a.flaky + b.flaky,
})
/** A run told without its cases counts as one test; none but success is a pass. */
const runCounts = (outcome: string): TestCounts => ({
  ...none,
  tests: 1,
  passed: outcome === 'success' ? 1 : 0,
  failed: outcome === 'failure' ? 1 : 0,
  skipped: outcome === 'skipped' ? 1 : 0,
  errors: ['success', 'failure', 'skipped'].includes(outcome) ? 0 : 1,
})

export interface Measured {
  readonly values: Readonly<Record<string, Measure>>
  readonly counts: TestCounts
  readonly empty: readonly string[]
  /** What a reader of the verdict should know beside the numbers. */
  readonly notes: readonly string[]
  /** Reports and runs behind the numbers. */
  readonly evidence: readonly string[]
  /** When the last of them happened. */
  readonly at: Instant | undefined
}

const byTime = <T extends { readonly at: Instant }>(all: readonly (readonly [string, T])[]) =>
  [...all].sort(([a, x], [b, y]) => (x.at === y.at ? (a < b ? -1 : 1) : x.at < y.at ? -1 : 1))

/** Suites that the latest report to name them found empty. */
function emptySuites(reports: readonly (readonly [string, Evidence['tests'][string]])[]): readonly string[] {
  const empty = new Map<string, string>()
  for (const [, report] of byTime(reports)) {
    for (const hash of report.ran) empty.delete(hash)
    for (const path of report.empty) empty.set(suiteHash(path), path)
  }
  return [...empty.values()].sort()
}

const distinct = <T>(records: readonly Readonly<Record<string, T>>[]): [string, T][] =>
  Object.entries(Object.assign({}, ...records) as Record<string, T>)

/** The numbers of all evidence together, by the ids that a policy names: each report once, whatever it is attached to. */
export function measured(all: readonly Evidence[]): Measured {
  const reports = distinct(all.map(({ tests }) => tests))
  const runs = distinct(all.map((one) => one.runs))
  const coverage = byTime(distinct(all.map((one) => one.coverage)))
  const refused = distinct(all.map((one) => one.refused))
  const counts = [...reports.map(([, report]) => report.counts), ...runs.map(([, { value }]) => runCounts(value))].reduce(plus, none)
  const empty = emptySuites(reports)
  const doubt =
    empty.length > 0
      ? { doubt: `nothing ran in ${empty.length === 1 ? 'the suite' : 'the suites'} ${empty.slice(0, 10).join(', ')}: empty` }
      : {}
  const number = (value: number): Measure => ({ value: whole(value), ...doubt })
  const lines = coverage.at(-1)?.[1]
  return {
    values: {
      ...(reports.length + runs.length > 0
        ? {
            'test-count': number(counts.tests - counts.skipped),
            'failed-tests': number(counts.failed + counts.errors),
            'test-errors': number(counts.errors),
            'skipped-tests': number(counts.skipped),
            'flaky-tests': number(counts.flaky),
          }
        : {}),
      ...(lines && lines.lines_total > 0 ? { coverage: { value: ratio(lines.lines_covered * 100, lines.lines_total) } } : {}),
    },
    counts,
    empty,
    notes: refused.map(
      ([report, { at, reason }]) =>
        `report ${report.slice(0, 12)} of ${at} was refused (${reason}); what was reported before stays in force`,
    ),
    evidence: [...reports, ...runs, ...coverage].map(([id]) => id).sort(),
    at: [...reports.map(([, { at }]) => at), ...runs.map(([, { at }]) => at), ...coverage.map(([, { at }]) => at)].reduce<
      Instant | undefined
    >((a, b) => latest(a, b), undefined),
  }
}
