import type { AnyStream } from '@rondo/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Telling, told } from '../test/told.ts'
import { artifact } from './artifact.ts'
import { build } from './build.ts'
import { catalog } from './catalog.ts'
import { change } from './change.ts'
import { evidence } from './evidence.ts'
import { identity } from './identity.ts'
import { periodsOf, placement } from './placement.ts'
import { repository } from './repository.ts'
import { canonical } from './seen.ts'
import { testRun } from './test-run.ts'

/** The same set of facts, in any order, repeated or late, ends in the same state; and no tell throws. */
const sha = (digit: string) => digit.repeat(40)
const shas = fc.constantFrom(sha('a'), sha('b'), sha('c'))
const times = fc
  .integer({ min: 0, max: 5 })
  .chain((hour) => fc.integer({ min: 0, max: 2 }).map((second) => `2026-11-10T0${hour}:00:0${second}.000000Z`))
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })
const outcomes = fc.constantFrom('success', 'failure', 'cancelled', 'skipped')
const artifacts = fc.constantFrom(`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`)
const repositories = fc.record({
  host: fc.constant('github.com'),
  full_name: fc.constantFrom('example/shop', 'example/storefront'),
  id: fc.constant('1'),
  default_branch: maybe(fc.constantFrom('main', 'trunk')),
})
const people = fc.array(
  fc.record({
    actor: fc.constantFrom('person:ada', 'unmapped:x'),
    role: fc.constantFrom('author', 'committer'),
    shown: maybe(fc.constantFrom('Ada', 'A.')),
  }),
  { maxLength: 3 },
)
const told1 = <T>(rule: string, input: fc.Arbitrary<T>) => fc.record({ rule: fc.constant(rule), input, at: times })

const observedBuild = fc.record({
  source: fc.constant('s'),
  build: fc.constant('b'),
  kind: fc.constant('check'),
  name: fc.constantFrom('ci', 'e2e'),
  attempt: fc.integer({ min: 1, max: 3 }),
  phase: fc.constantFrom('queued', 'started', 'finished'),
  outcome: maybe(outcomes),
  revision: maybe(shas),
  branch: maybe(fc.constantFrom('main', 'fix')),
})
const observedRun = fc.record({
  source: fc.constant('s'),
  run: fc.constant('r'),
  kind: fc.constantFrom('suite', 'case'),
  phase: fc.constantFrom('queued', 'started', 'finished', 'skipped'),
  outcome: maybe(outcomes),
  artifact: maybe(artifacts),
})
const observedArtifact = fc.record({
  digest: fc.constant(`sha256:${'1'.repeat(64)}`),
  name: fc.constantFrom('pkg:oci/shop', 'pkg:oci/store'),
  phase: fc.constantFrom('packaged', 'published', 'deleted'),
  source: fc.constantFrom('s', 't'),
  revision: maybe(shas),
  build: maybe(fc.constantFrom('1', '2')),
})
const observedChange = fc.record({
  repository: repositories,
  sha: fc.constant(sha('a')),
  parents: maybe(fc.constant([sha('b')])),
  reaches: maybe(fc.array(shas, { maxLength: 2 })),
  shallow: maybe(fc.boolean()),
  patch_id: maybe(fc.constant('p')),
  message: fc.constant('Fix REQ-1'),
  committed_at: fc.constant('2026-11-10T09:00:00.000000Z'),
  contributors: people,
})
const observedRequest = fc.record({
  repository: repositories,
  number: fc.integer({ min: 1, max: 2 }),
  state: fc.constantFrom('open', 'merged', 'closed'),
  title: fc.constantFrom('Fix REQ-1', 'See REQ-2'),
  head: shas,
  merge_sha: maybe(shas),
  contributors: people,
})
const refMove = fc.record({
  name: fc.constantFrom('main', 'v1'),
  kind: fc.constantFrom('branch', 'tag'),
  target: maybe(shas),
  object: maybe(shas),
  deleted: fc.boolean(),
})
const counts = fc.nat(5).map((tests) => ({ tests, passed: tests, failed: 0, errors: 0, skipped: 0, flaky: 0 }))
// one hash is one content
const tests = fc.constantFrom('r1', 'r2').chain((report) =>
  fc.record({
    artifact: fc.constant('x'),
    report: fc.constant(report),
    suites: fc.constant([{ path: [report], tests: report === 'r1' ? 1 : 0 }]),
    counts: counts.map(() => ({ tests: 1, passed: 1, failed: 0, errors: 0, skipped: 0, flaky: 0 })),
    cases: fc.constant([]),
  }),
)
const coverage = fc
  .constantFrom('c1', 'c2')
  .map((report) => ({ artifact: 'x', report, format: 'lcov', lines_covered: report === 'c1' ? 1 : 2, lines_total: 4 }))
const refused = fc.constantFrom('f1', 'f2').map((report) => ({ artifact: 'x', report, reason: `cut off ${report}` }))
const run = fc.record({ artifact: fc.constant('x'), source: fc.constant('s'), run: fc.constantFrom('1', '2'), outcome: outcomes })
const deployed = fc.record({
  service: fc.constant('shop'),
  environment: fc.constant('production'),
  production: fc.constant(true),
  deployment: fc.constantFrom('d1', 'd2', 'd3'),
  artifact: maybe(artifacts),
  revision: maybe(shas),
  share: fc.constantFrom(0.1, 0.5, 1),
  outcome: fc.constantFrom('succeeded', 'rolled_back', 'removed'),
  at: times,
})

const rows: readonly (readonly [AnyStream, fc.Arbitrary<Telling>])[] = [
  [build, told1('observed', observedBuild)],
  [testRun, told1('observed', observedRun)],
  [artifact, told1('observed', observedArtifact)],
  [change, fc.oneof(told1('observed', observedChange), told1('mergeRequest', observedRequest))],
  [repository, fc.oneof(told1('seen', repositories), told1('refMoved', refMove))],
  [
    evidence,
    fc.oneof(told1('testsReported', tests), told1('coverageReported', coverage), told1('refused', refused), told1('testRun', run)),
  ],
  [placement, told1('deployed', deployed)],
  [
    catalog,
    told1(
      'copied',
      fc.record({ service: fc.constant('shop'), repositories: fc.subarray(['a/b', 'c/d']), artifacts: fc.subarray(['pkg:oci/shop']) }),
    ),
  ],
  [identity, told1('mapped', fc.record({ identity: fc.constant('unmapped:x'), person: fc.constantFrom('person:ada', 'person:grace') }))],
]

test.each(rows.map(([stream, tellings]) => [stream.name, stream, tellings] as const))(
  '%s: any order, any repetition, one state',
  (_, stream, tellings) => {
    const received = fc
      .array(tellings, { minLength: 1, maxLength: 8 })
      .chain((all) =>
        fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 })),
      )
    fc.assert(
      fc.property(received, ([all, shuffled]) => {
        expect(canonical(told(stream, shuffled))).toEqual(canonical(told(stream, all)))
      }),
      { numRuns: 300 },
    )
  },
)

test('placement: periods follow each other and say until when, whatever came first', () => {
  fc.assert(
    fc.property(fc.array(told1('deployed', deployed), { maxLength: 8 }), (tellings) => {
      const periods = periodsOf(told(placement, tellings))
      periods.forEach((period, index) => {
        expect(period.until).toBe(periods[index + 1]?.since)
        if (period.until) expect(period.until > period.since).toBe(true)
      })
    }),
  )
})
