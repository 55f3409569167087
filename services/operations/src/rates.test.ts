import { readFileSync } from 'node:fs'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { atLeast, atMost, neededExposure, ratioBounds } from './rates.ts'

interface Vector {
  readonly name: string
  readonly given: Readonly<Record<string, number>>
  readonly expect: Readonly<Record<string, number | null>> & { readonly verdict_of_test: string }
}
const read = (file: string) => (JSON.parse(readFileSync(shared('vectors', file), 'utf8')) as { cases: readonly Vector[] }).cases

function near(actual: number | null, expected: number | null | undefined, tolerance: number, what: string) {
  if (expected === null || expected === undefined || actual === null) return expect(actual, what).toBe(expected ?? null)
  return expect(Math.abs(actual - expected), `${what}: ${actual} is not ${expected}`).toBeLessThanOrEqual(tolerance * Math.abs(expected))
}

const word = (upper: number | null, lower: number, target: number) =>
  upper !== null && upper < target ? 'verified' : lower > 1 ? 'worse' : 'not_yet'

const missing = sharedMissing('vectors')
describe('two rates against reference answers', () => {
  needs({ also: missing })

  test('poisson-rate.json: every case', () => {
    const cases = read('poisson-rate.json')
    expect(cases.length).toBeGreaterThan(100)
    for (const { name, given, expect: right } of cases) {
      const before = { events: given.before_events!, exposure: given.before_exposure! }
      const after = { events: given.after_events!, exposure: given.after_exposure! }
      const target = given.target_ratio!
      const tolerance = right.relative_tolerance ?? 1e-9
      const { upper, lower } = ratioBounds(before, after)
      near(upper, right.ratio_upper_bound, tolerance, `${name} upper`)
      near(lower, right.ratio_lower_bound, tolerance, `${name} lower`)
      near(atMost(before, after, target), right.p_value_at_target, tolerance, `${name} p at target`)
      near(atLeast(before, after), right.p_value_worse_than_before, tolerance, `${name} p worse`)
      const needed = neededExposure(before, after.events, target)
      near(needed, right.needed_total_after_exposure_with_no_further_event, tolerance, `${name} needed`)
      const further = needed === null ? null : Math.max(0, needed - after.exposure)
      // a difference of two nearly equal numbers keeps the absolute error of both
      const absolute = tolerance * (needed ?? 0)
      if (further !== null)
        expect(Math.abs(further - (right.needed_further_exposure_with_no_further_event ?? 0)), name).toBeLessThanOrEqual(absolute)
      expect(word(upper, lower, target), name).toBe(right.verdict_of_test)
    }
  })

  test('binomial.json: the same test on shares over a threshold, every case', () => {
    const cases = read('binomial.json')
    expect(cases.length).toBeGreaterThan(70)
    for (const { name, given, expect: right } of cases) {
      const before = { events: given.before_requests_over_threshold!, exposure: given.before_requests! }
      const after = { events: given.after_requests_over_threshold!, exposure: given.after_requests! }
      const { upper, lower } = ratioBounds(before, after)
      const tolerance = right.relative_tolerance ?? 1e-9
      near(upper, right.share_ratio_upper_bound, tolerance, `${name} upper`)
      near(lower, right.share_ratio_lower_bound, tolerance, `${name} lower`)
      near(atMost(before, after, given.target_ratio!), right.p_value_at_target, tolerance, `${name} p at target`)
      expect(word(upper, lower, given.target_ratio!), name).toBe(right.verdict_of_test)
    }
  })
})

test('nothing before: no bound and no exposure that would suffice', () => {
  expect(ratioBounds({ events: 0, exposure: 100 }, { events: 0, exposure: 1e9 })).toEqual({ upper: null, lower: 0 })
  expect(neededExposure({ events: 0, exposure: 100 }, 0, 0.5)).toBeNull()
})

test('no exposure after: silence says nothing', () => {
  expect(ratioBounds({ events: 50, exposure: 100 }, { events: 0, exposure: 0 }).upper).toBeNull()
})
