import { readFileSync } from 'node:fs'
import { parseInstant } from '@rondo/kernel'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { exact, whole } from './decimal.ts'
import { type Judged, judge, type Waiver, waiverRefused } from './gate.ts'
import { defaultPolicy, readPolicy } from './policy.ts'

interface VectorObjective {
  op: string
  value?: number
  relative_percent?: number
  relative_amount?: number
}
interface VectorCriterion {
  id: string
  pass_when?: VectorObjective[]
  warn_when?: VectorObjective[]
  weight?: number
  key?: boolean
}
interface Vector {
  name: string
  given: {
    policy: { pass_percent: number; warn_percent: number; criteria: VectorCriterion[] }
    measured: Record<string, number | null>
    earlier_results: { verdict: string; values: Record<string, number> }[]
    waivers: Waiver[]
    contributors: string[]
    decided_at: string
  }
  expect: {
    criteria: { id: string; status: string }[]
    verdict: string
    score: number | null
    score_fraction?: string
    release_allowed?: boolean
    failed_key_criteria?: string[]
    waivers?: { criterion: string; by: string; valid: boolean; refused_because: string | null }[]
  }
}
const signed = (number: number) => (number < 0 ? String(number) : `+${number}`)
const written = ({ op, value, relative_percent, relative_amount }: VectorObjective) =>
  `${op}${value !== undefined ? value : relative_percent !== undefined ? `${signed(relative_percent)}%` : signed(relative_amount ?? 0)}`

/** As a person would write the vector's policy: JSON is YAML. */
const yaml = ({ pass_percent, warn_percent, criteria }: Vector['given']['policy']) =>
  JSON.stringify({
    pass: pass_percent,
    warn: warn_percent,
    criteria: criteria.map(({ id, pass_when, warn_when, weight, key }) => ({
      id,
      pass: pass_when?.map(written),
      warn: warn_when?.map(written),
      weight,
      key,
    })),
  })

const instant = (text: string) => parseInstant(text) ?? 'never'
function judgedOf({ policy, measured, earlier_results, waivers, contributors, decided_at }: Vector['given']): Judged {
  const passed = earlier_results.filter(({ verdict }) => verdict === 'pass')
  const entries = <T>(values: Record<string, T>, map: (value: T) => unknown) =>
    Object.entries(values).flatMap(([id, value]) => (value === null ? [] : [[id, map(value)]]))
  return {
    policy: readPolicy(yaml(policy)),
    measured: Object.fromEntries(entries(measured, (value) => ({ value: exact(Number(value)) }))),
    baselines: Object.assign({}, ...passed.map(({ values }) => Object.fromEntries(entries(values, exact)))),
    waivers: waivers.map((waiver) => ({ ...waiver, until: instant(waiver.until) })),
    contributors,
    at: instant(decided_at),
  }
}

const missing = sharedMissing('vectors', 'gate.json')
describe('reference vectors', () => {
  needs({ also: missing })
  const { cases } = missing ? { cases: [] } : (JSON.parse(readFileSync(shared('vectors', 'gate.json'), 'utf8')) as { cases: Vector[] })
  test('all of them are here', () => expect(cases.length).toBe(100))
  test.each(cases.map((one) => [one.name, one] as const))('%s', (_, { given, expect: expected }) => {
    const judged = judgedOf(given)
    const { verdict, score, criteria, releaseAllowed } = judge(judged)
    expect(criteria.map(({ id, status }) => ({ id, status: status.replace('_', '-') }))).toEqual(expected.criteria)
    expect(verdict).toBe(expected.verdict)
    expect(score ? `${score.n}/${score.d}` : null).toBe(expected.score_fraction ?? null)
    if (expected.release_allowed !== undefined) expect(releaseAllowed).toBe(expected.release_allowed)
    if (expected.failed_key_criteria)
      expect(criteria.filter(({ key, status }) => key && status === 'fail').map(({ id }) => id)).toEqual(expected.failed_key_criteria)
    for (const waiver of expected.waivers ?? []) {
      const given = judged.waivers.filter(({ criterion, by }) => criterion === waiver.criterion && by === waiver.by)
      expect(given.map((one) => waiverRefused(one, judged.contributors, judged.at) ?? null)).toContain(waiver.refused_because)
    }
  })
})

const base: Judged = {
  policy: readPolicy(defaultPolicy),
  measured: {},
  baselines: {},
  waivers: [],
  contributors: [],
  at: '2026-05-10T12:00:00.000000Z',
}
const waived = (criterion: string, until: string): Waiver => ({ criterion, by: 'person:dora', reason: 'known', until })

test('no data never passes, and a waiver lets it go without changing the verdict', () => {
  expect(judge(base)).toMatchObject({ verdict: 'inconclusive', score: undefined, releaseAllowed: false })
  const until = '2026-06-01T00:00:00.000000Z'
  const waivers = [waived('failed-tests', until), waived('test-count', '2026-07-01T00:00:00.000000Z')]
  expect(judge({ ...base, waivers })).toMatchObject({ verdict: 'inconclusive', releaseAllowed: true, allowedUntil: until })
  expect(judge({ ...base, waivers, at: until })).toMatchObject({ releaseAllowed: false, allowedUntil: undefined })
})

test('a failed key criterion fails the gate even where something else is missing', () => {
  expect(judge({ ...base, measured: { 'failed-tests': { value: whole(1) } } })).toMatchObject({ verdict: 'fail', releaseAllowed: false })
})

test('an empty suite keeps a value from passing, not from failing', () => {
  const doubt = 'the suite e2e is empty'
  const green = { 'failed-tests': { value: whole(0), doubt }, 'test-count': { value: whole(2), doubt } }
  const judged = judge({ ...base, measured: green })
  expect(judged).toMatchObject({ verdict: 'inconclusive', releaseAllowed: false })
  expect(judged.reasons.join()).toContain('e2e')
  expect(judge({ ...base, measured: { ...green, 'failed-tests': { value: whole(1), doubt } } }).verdict).toBe('fail')
})

test('a warned criterion goes only where the policy lets it', () => {
  const policy = (extra: string) => readPolicy(`warn: 50\npass: 60\n${extra}\ncriteria: [{id: coverage, pass: '>=80', warn: '>=70'}]`)
  const measured = { coverage: { value: whole(75) } }
  expect(judge({ ...base, policy: policy(''), measured })).toMatchObject({ verdict: 'warn', releaseAllowed: false })
  expect(judge({ ...base, policy: policy('warn_releases: true'), measured })).toMatchObject({ verdict: 'warn', releaseAllowed: true })
})

test('a limit is exact: 799/1000 of the lines are not 80 %', () => {
  const policy = readPolicy("criteria: [{id: coverage, pass: '>=80'}]")
  const one = (covered: number, total: number) =>
    judge({ ...base, policy, measured: { coverage: { value: whole(covered).mul(100).div(total) } } }).verdict
  expect([one(4, 5), one(79_999_999_999, 100_000_000_000)]).toEqual(['pass', 'fail'])
})
