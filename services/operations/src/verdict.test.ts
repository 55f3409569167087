import { readFileSync } from 'node:fs'
import { parseInstant } from '@rondo/kernel'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type History, historyOf, leftOut } from '../test/proof-histories.ts'
import { answer, looksOf, type Question, type Step } from './verdict.ts'

const missing = sharedMissing('vectors')
const cases = missing
  ? []
  : (JSON.parse(readFileSync(shared('vectors', 'proof-histories.json'), 'utf8')) as { cases: readonly History[] }).cases

describe('proof-histories.json', () => {
  needs({ also: missing })

  test('all but the named kinds are answered', () => {
    expect(cases.length).toBe(64)
    expect(cases.filter(({ given }) => given.signal.kind in leftOut).map(({ name }) => name)).toEqual([
      'ratio-verified-0',
      'ratio-thin-0',
      'ratio-verified-1',
      'ratio-thin-1',
    ])
  })

  test.each(cases.filter(({ given }) => !(given.signal.kind in leftOut)).map((one) => [one.name, one] as const))('%s', (_, history) => {
    for (const right of history.expect.answers) {
      const { question, events, noted, reopened } = historyOf(history, right.at)
      const given = answer(question)
      const where = `${history.name} at ${right.at}`
      expect(given.verdict, `${where}: ${given.reason}`).toBe(right.verdict)
      expect(noted, where).toEqual(right.noted_event_ids_without_fix)
      const told = {
        after_events: given.events,
        after_event_ids_with_fix: events,
        clock_started_at: question.clock_started_at,
        requirement_reopened: reopened,
      }
      const wanted = { ...right, ...(right.clock_started_at ? { clock_started_at: parseInstant(right.clock_started_at) } : {}) }
      for (const [name, value] of Object.entries(told))
        if (name in wanted) expect(value, `${where} ${name}`).toEqual(wanted[name as keyof typeof told])
      const numbers = {
        after_exposure: given.exposure,
        ratio_upper_bound: given.bound,
        needed_further_exposure: given.needed_further_exposure,
      }
      for (const [name, value] of Object.entries(numbers)) {
        const number = right[name as keyof typeof numbers]
        if (number !== undefined) close(value, number, `${where} ${name}`)
      }
    }
  })
})

function close(actual: number | null, expected: number | null, where: string) {
  if (expected === null || actual === null) return expect(actual, where).toBe(expected)
  // a difference of sums of rounded exposures: 1e-9 of what was subtracted is allowed too
  return expect(Math.abs(actual - expected), where).toBeLessThanOrEqual(1e-9 * Math.abs(expected) + 1e-7)
}

const clock = '2026-01-01T00:00:00.000000Z'
const deadline = '2026-01-15T00:00:00.000000Z'
const day = (n: number) => `2026-01-${String(1 + n).padStart(2, '0')}T12:00:00.000000Z`
const ask = (part: Partial<Question>): Question => ({
  clock_started_at: clock,
  deadline_at: deadline,
  asked_at: day(10),
  kind: 'rate',
  target_ratio: 0.5,
  before: { events: 20, exposure: 1000 },
  steps: [],
  looks: 'spending',
  ...part,
})
const step = (n: number, exposure: number, events = 0): Step => ({ at: day(n), exposure, events })

describe('kind rate', () => {
  test('is looked at when a fixed share of the needed exposure is reached, and not in between', () => {
    const steps = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => step(n, 130))
    const { taken } = looksOf(ask({ steps }))
    expect(taken.map(({ after, level }) => [after.exposure, level])).toEqual([
      [520, 0.025],
      [910, 0.0125],
    ])
    expect(answer(ask({ steps, asked_at: day(3) }))).toMatchObject({ verdict: null, reason: 'needs_more' })
    expect(answer(ask({ steps, asked_at: day(4) }))).toMatchObject({ verdict: 'verified', reason: 'silent', level: 0.025 })
  })

  test('an event after is no regression as such; a clearly higher rate is', () => {
    expect(answer(ask({ steps: [step(1, 500, 1)] })).verdict).toBeNull()
    expect(answer(ask({ steps: [step(1, 500, 40)] }))).toMatchObject({ verdict: 'regressed', reason: 'worse' })
  })

  test('enough and not better is told apart from too little, at the deadline', () => {
    expect(answer(ask({ asked_at: deadline, steps: [step(1, 5)] }))).toMatchObject({
      verdict: 'inconclusive',
      reason: 'too_small_at_deadline',
    })
    expect(answer(ask({ asked_at: deadline, steps: [step(1, 1000, 15)] }))).toMatchObject({
      verdict: 'inconclusive',
      reason: 'not_better_at_deadline',
    })
  })

  test('the levels of all looks together stay below 5 %', () => {
    const steps = Array.from({ length: 30 }, (_, n) => ({ at: day(1), exposure: 1000 * 2 ** n, events: 0 }))
    const { taken } = looksOf(ask({ steps, asked_at: deadline }))
    expect(taken.length).toBeGreaterThan(20)
    expect(taken.reduce((sum, { level }) => sum + level, 0)).toBeLessThan(0.05)
  })
})

test('looking often does not inflate "verified": a fix that is no fix, looked at after every report', () => {
  let seed = 20260101
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return (seed + 0.5) / 2 ** 32
  }
  const poisson = (mean: number) => {
    let [k, p] = [0, random()]
    for (const end = Math.exp(-mean); p > end; p *= random()) k += 1
    return k
  }
  const target = 0.5
  const proofs = 600
  let verified = 0
  for (let n = 0; n < proofs; n++) {
    // the true ratio is exactly the target: "verified" would be wrong
    const before = { events: poisson(20), exposure: 1000 }
    const steps = Array.from({ length: 60 }, () => ({ at: day(1), exposure: 100, events: poisson(20 * target * 0.1) }))
    if (answer(ask({ before, steps })).verdict === 'verified') verified += 1
  }
  expect(verified / proofs).toBeLessThan(0.05)
})

describe('order of precedence', () => {
  const regressed = ask({ kind: 'defect', steps: [step(1, 10, 1)] })
  test('a known recurrence outranks a source that is down', () => {
    expect(answer({ ...regressed, unreachable: true }).verdict).toBe('regressed')
    expect(answer({ ...regressed, steps: [step(1, 1e6)], unreachable: true }).verdict).toBe('error')
  })
  test('a reporter who says "not solved" keeps it from being verified', () => {
    expect(answer(ask({ looks: 'single', steps: [step(1, 1e6)], unsolved: 1 }))).toMatchObject({ verdict: null, reason: 'not_solved' })
  })
})

test('silence without exposure never verifies, whatever stood before', () => {
  const kinds = fc.constantFrom('defect' as const, 'rate' as const)
  fc.assert(
    fc.property(kinds, fc.nat(1_000_000), fc.nat(1_000_000_000), fc.constantFrom(day(1), deadline), (kind, events, exposure, asked_at) => {
      const given = answer(ask({ kind, asked_at, before: { events, exposure }, steps: [step(0, 0)] }))
      expect(given.verdict).not.toBe('verified')
      expect(answer(ask({ kind, asked_at, before: { events: 0, exposure }, steps: [step(0, 1e12)] })).verdict).not.toBe('verified')
    }),
  )
})
