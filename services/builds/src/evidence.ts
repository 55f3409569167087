import { createHash } from 'node:crypto'
import { evidence as fact } from '@rondo/contracts/builds'
import type { TestCounts } from '@rondo/contracts/values'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { earliest, later, type Seen, same } from './seen.ts'

type Tests = DataOf<typeof fact.tests_attached>
type Coverage = DataOf<typeof fact.coverage_attached>
type Refused = DataOf<typeof fact.refused>
type Run = DataOf<typeof fact.test_run_attached>

interface TestReport {
  readonly at: Instant
  readonly counts: TestCounts
  /** Suites in which nothing ran (`a > b`), at most 100. */
  readonly empty: readonly string[]
  /** Those in which something did, as short hashes, at most 300: whether a later report filled an empty one. */
  readonly ran: readonly string[]
}
interface CoverageReport {
  readonly at: Instant
  readonly lines_covered: number
  readonly lines_total: number
}
/** What speaks for one artifact or one build; the stream's id says which. Reports by the hash of their bytes. */
export interface Evidence {
  readonly tests: Readonly<Record<string, TestReport>>
  readonly coverage: Readonly<Record<string, CoverageReport>>
  readonly refused: Readonly<Record<string, { readonly at: Instant; readonly reason: string }>>
  /** Test runs that a source told without their cases, by source and run. */
  readonly runs: Readonly<Record<string, Seen<Run['outcome']>>>
}

export interface Target {
  readonly artifact?: string | undefined
  readonly build?: string | undefined
}
export const evidenceId = ({ artifact, build }: Target): string => (artifact ? `artifact:${artifact}` : `build:${build ?? ''}`)
export const targetOf = (id: string): Target => (id.startsWith('artifact:') ? { artifact: id.slice(9) } : { build: id.slice(6) })

const pathText = (path: readonly string[]) => path.join(' > ').slice(0, 300)
export const suiteHash = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 8)
/** A suite is empty when nothing ran in it or below it; a report without any suite and test is one empty suite. */
function suitesOf({ suites, cases, counts, report }: Tests): { empty: readonly string[]; ran: readonly string[] } {
  const full = [...suites.filter(({ tests }) => tests > 0).map(({ path }) => path), ...cases.map(({ suite }) => suite)]
  const ran = new Set(full.flatMap((path) => path.map((_, depth) => pathText(path.slice(0, depth + 1)))))
  const empty = new Set(suites.map(({ path }) => pathText(path)).filter((path) => !ran.has(path)))
  if (counts.tests === 0 && empty.size === 0) empty.add(`report ${report.slice(0, 12)}`)
  return { empty: [...empty].sort().slice(0, 100), ran: [...ran].map(suiteHash).sort().slice(0, 300) }
}

/** The same report again counts once, from the first time on. */
function withTests(evidence: Evidence, data: Tests, at: Instant): Evidence {
  const known = evidence.tests[data.report]
  return {
    ...evidence,
    tests: {
      ...evidence.tests,
      [data.report]: known ? { ...known, at: earliest(known.at, at) } : { at, counts: data.counts, ...suitesOf(data) },
    },
  }
}
function withCoverage(evidence: Evidence, { report, lines_covered, lines_total }: Coverage, at: Instant): Evidence {
  const known = evidence.coverage[report]
  return { ...evidence, coverage: { ...evidence.coverage, [report]: { at: earliest(known?.at, at), lines_covered, lines_total } } }
}
function withRefused(evidence: Evidence, { report, reason }: Refused, at: Instant): Evidence {
  const known = evidence.refused[report]
  return { ...evidence, refused: { ...evidence.refused, [report]: known && known.at <= at ? known : { at, reason } } }
}
function withRun(evidence: Evidence, { source, run, outcome }: Run, at: Instant): Evidence {
  const id = `${source}#${run}`
  const seen = later(evidence.runs[id], outcome, at)
  return seen ? { ...evidence, runs: { ...evidence.runs, [id]: seen } } : evidence
}
const ifNew = <F>(before: Evidence, after: Evidence, made: F): readonly F[] => (same(before, after) ? [] : [made])

export const evidence = stream('evidence', fact, { tests: {}, coverage: {}, refused: {}, runs: {} } as Evidence)({
  fold: 1,
  asks: {},
  tells: {
    testsReported: (evidence, data: Tests, { at }) => ifNew(evidence, withTests(evidence, data, at), fact.tests_attached(data)),
    coverageReported: (evidence, data: Coverage, { at }) => ifNew(evidence, withCoverage(evidence, data, at), fact.coverage_attached(data)),
    refused: (evidence, data: Refused, { at }) => ifNew(evidence, withRefused(evidence, data, at), fact.refused(data)),
    testRun: (evidence, data: Run, { at }) => ifNew(evidence, withRun(evidence, data, at), fact.test_run_attached(data)),
  },
  evolve: {
    tests_attached: (evidence, data, { at }) => withTests(evidence, data, at),
    coverage_attached: (evidence, data, { at }) => withCoverage(evidence, data, at),
    refused: (evidence, data, { at }) => withRefused(evidence, data, at),
    test_run_attached: (evidence, data, { at }) => withRun(evidence, data, at),
  },
  keys: {},
})
