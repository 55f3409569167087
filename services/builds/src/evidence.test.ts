import { evidence as fact } from '@rondo/contracts/builds'
import type { TestCase } from '@rondo/contracts/values'
import { at, given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { evidence } from './evidence.ts'
import { judge } from './gate.ts'
import { measured } from './measures.ts'
import { defaultPolicy, readPolicy } from './policy.ts'

const artifact = `sha256:${'8'.repeat(64)}`
const counts = (tests: number, more: Partial<Record<'failed' | 'errors' | 'skipped' | 'flaky', number>> = {}) => {
  const { failed = 0, errors = 0, skipped = 0, flaky = 0 } = more
  return { tests, passed: tests - failed - errors - skipped, failed, errors, skipped, flaky }
}
const one = (suite: string[], name: string, ...outcomes: ('passed' | 'failed')[]): TestCase => ({
  suite,
  classname: 'c',
  name,
  attempts: outcomes.map((outcome) => ({ outcome })),
})
const report = (
  name: string,
  suites: { path: string[]; tests: number }[],
  total = counts(suites.reduce((sum, { tests }) => sum + tests, 0)),
  cases: TestCase[] = [],
) => fact.tests_attached({ artifact, report: name, suites, counts: total, cases })
const unit = report('unit', [{ path: ['unit'], tests: 2 }])
const noon = (minute: number) => `2026-11-10T12:${String(minute).padStart(2, '0')}:00.000000Z`

const stateOf = (...facts: ReturnType<typeof report>[]) =>
  told(
    evidence,
    facts.map(({ data }, index) => ({ rule: 'testsReported', input: data, at: noon(index) })),
  )
const verdict = (...facts: ReturnType<typeof report>[]) =>
  judge({
    policy: readPolicy(defaultPolicy),
    measured: measured([stateOf(...facts)]).values,
    baselines: {},
    waivers: [],
    contributors: [],
    at: noon(30),
  })

test('the same report twice counts once, whatever it is attached to', () => {
  const attached = stateOf(unit, unit)
  expect(measured([attached, attached]).counts).toEqual(counts(2))
  given(evidence, at(noon(1), unit))
    .tell('testsReported', unit.data, { at: noon(2) })
    .nothing()
})

test('an empty second report is named, and the gate is inconclusive on the strength of the first', () => {
  const judged = verdict(unit, report('e2e', [{ path: ['e2e'], tests: 0 }]))
  expect(judged).toMatchObject({ verdict: 'inconclusive', releaseAllowed: false })
  expect(judged.reasons.join('\n')).toContain('the suite e2e: empty')
  expect(verdict(unit)).toMatchObject({ verdict: 'pass', releaseAllowed: true })
})

test('a later report that fills the suite heals it; an earlier one does not', () => {
  const empty = report('e2e-1', [{ path: ['e2e'], tests: 0 }])
  const full = report('e2e-2', [{ path: ['e2e'], tests: 5 }])
  expect(verdict(unit, empty, full).verdict).toBe('pass')
  expect(verdict(unit, full, empty).verdict).toBe('inconclusive')
})

test('a suite that only holds other suites is not empty; a report of nothing is', () => {
  expect(
    verdict(
      report(
        'nested',
        [
          { path: ['cart'], tests: 0 },
          { path: ['cart', 'totals'], tests: 3 },
        ],
        counts(3),
        [one(['cart', 'totals'], 'adds', 'passed')],
      ),
    ).verdict,
  ).toBe('pass')
  expect(verdict(report('nothing', [])).reasons.join()).toContain('report nothing')
})

test('flaky, skipped, errored and failed are told apart, and only what ran counts as a test', () => {
  const { values } = measured([
    stateOf(report('mixed', [{ path: ['s'], tests: 10 }], counts(10, { failed: 1, errors: 2, skipped: 3, flaky: 1 }))),
  ])
  expect(Object.fromEntries(Object.entries(values).map(([id, { value }]) => [id, value.valueOf()]))).toEqual({
    'test-count': 7,
    'failed-tests': 3,
    'test-errors': 2,
    'skipped-tests': 3,
    'flaky-tests': 1,
  })
  expect(verdict(report('all skipped', [{ path: ['s'], tests: 4 }], counts(4, { skipped: 4 }))).verdict).not.toBe('pass')
})

test('a refused report stands beside the older one, which stays in force', () => {
  const refused = told(evidence, [
    { rule: 'testsReported', input: unit.data, at: noon(1) },
    { rule: 'refused', input: { artifact, report: 'broken', reason: 'line 3: cut off' }, at: noon(2) },
  ])
  const { counts: total, notes } = measured([refused])
  expect(total).toEqual(counts(2))
  expect(notes[0]).toContain('line 3: cut off')
})

test('a run told without its cases counts, and none but success is a pass', () => {
  const run = (outcome: 'success' | 'cancelled' | 'neutral' | 'failure') =>
    told(evidence, [{ rule: 'testRun', input: { artifact, source: 's', run: 'r', outcome }, at: noon(1) }])
  const of = (outcome: Parameters<typeof run>[0]) =>
    judge({
      policy: readPolicy(defaultPolicy),
      measured: measured([run(outcome)]).values,
      baselines: {},
      waivers: [],
      contributors: [],
      at: noon(2),
    }).verdict
  expect([of('success'), of('cancelled'), of('neutral'), of('failure')]).toEqual(['pass', 'fail', 'fail', 'fail'])
})

test('the latest coverage counts; no line at all is no coverage', () => {
  const covered = (report: string, lines_covered: number, lines_total: number, minute: number) => ({
    rule: 'coverageReported',
    input: { artifact, report, format: 'lcov', lines_covered, lines_total },
    at: noon(minute),
  })
  expect(measured([told(evidence, [covered('b', 8, 10, 2), covered('a', 1, 2, 1)])]).values.coverage?.value.valueOf()).toBe(80)
  expect(measured([told(evidence, [covered('a', 0, 0, 1)])]).values).toEqual({})
})
