import { readFileSync } from 'node:fs'
import { type Instant, parseInstant } from '@rondo/kernel'
import { shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { type CountedDeployment, changeFailureRate, deploymentFrequency, type History, recoveryTime, withReturns } from './dora.ts'

interface Vector {
  readonly name: string
  readonly given: {
    readonly service: string
    readonly environment: string
    readonly period_from: string
    readonly period_to: string
    readonly deployments: readonly {
      readonly id: string
      readonly service: string
      readonly environment: string
      readonly artifact: string
      readonly attempts: readonly { readonly finished_at: string; readonly outcome: string }[]
      readonly rolled_back_at?: string
      readonly hotfix_of?: string
    }[]
    readonly incidents: readonly {
      readonly id: string
      readonly service: string
      readonly started_at: string
      readonly recovered_at: string | null
      readonly cause: { readonly kind: string; readonly deployment_id?: string }
    }[]
  }
  readonly expect: {
    readonly deployment_frequency: {
      readonly numerator: number
      readonly denominator_days: number
      readonly per_day: number
      readonly deployment_ids: readonly string[]
    }
    readonly change_failure_rate?: {
      readonly numerator: number
      readonly denominator: number
      readonly percent: number | null
      readonly failed_deployment_ids: readonly string[]
      readonly undecided_incident_ids: readonly string[]
    }
    readonly failed_deployment_recovery_time?: {
      readonly spans: number
      readonly incident_ids: readonly string[]
      readonly rolled_back_deployment_ids: readonly string[]
      readonly flagged_resolved_equals_created_ids: readonly string[]
      readonly not_yet_recovered_ids: readonly string[]
      readonly median_seconds: number | null
    }
  }
}

const instant = (text: string): Instant => parseInstant(text) ?? ''
const maybe = (text: string | null | undefined) => (text ? instant(text) : undefined)

function historyOf({ given: { service, environment, deployments, incidents } }: Vector): History {
  const finish = (attempts: Vector['given']['deployments'][number]['attempts'], outcome: string) =>
    attempts
      .filter((one) => one.outcome === outcome)
      .map(({ finished_at }) => instant(finished_at))
      .sort()[0]
  const here = deployments.filter((one) => one.service === service && one.environment === environment)
  return {
    deployments: here.map(
      ({ id, artifact, attempts, rolled_back_at, hotfix_of }): CountedDeployment => ({
        id,
        artifact,
        first_succeeded_at: finish(attempts, 'succeeded'),
        failed_at: finish(attempts, 'failed'),
        rolled_back_at: maybe(rolled_back_at),
        hotfix_of,
        incidents: incidents
          .filter(({ cause }) => cause.deployment_id === id)
          .map((one) => ({ id: one.id, began_at: instant(one.started_at), resolved_at: maybe(one.recovered_at) })),
      }),
    ),
    undecided: incidents
      .filter((one) => one.service === service && one.cause.kind === 'undecided')
      .map((one) => ({ id: one.id, began_at: instant(one.started_at) })),
  }
}

function check(vector: Vector) {
  const history = historyOf(vector)
  const period = { from: instant(vector.given.period_from), to: instant(vector.given.period_to) }
  const { deployment_frequency: frequency, change_failure_rate: rate, failed_deployment_recovery_time: recovery } = vector.expect
  const { returned_deployment_ids: _, ...counted } = deploymentFrequency(history, period)
  expect({ ...counted, deployment_ids: counted.deployment_ids.toSorted() }, vector.name).toEqual({
    ...frequency,
    deployment_ids: frequency.deployment_ids.toSorted(),
    per_day: expect.closeTo(frequency.per_day, 12),
    denominator_days: expect.closeTo(frequency.denominator_days, 9),
  })
  if (rate) {
    const { failed, deployment_ids: __, ...actual } = changeFailureRate(history, period)
    const { failed_deployment_ids, ...expected } = rate
    expect(actual, vector.name).toEqual({ ...expected, percent: expected.percent === null ? null : expect.closeTo(expected.percent, 9) })
    expect(failed.map(({ id }) => id).sort(), vector.name).toEqual(failed_deployment_ids.toSorted())
  }
  if (recovery) {
    const actual = recoveryTime(history, period)
    expect(
      {
        spans: actual.spans.length,
        incident_ids: actual.spans.flatMap(({ incidents }) => incidents).sort(),
        rolled_back_deployment_ids: actual.spans
          .filter(({ incidents }) => incidents.length === 0)
          .map(({ deployment }) => deployment)
          .sort(),
        flagged_resolved_equals_created_ids: actual.bad_incident_ids.toSorted(),
        not_yet_recovered_ids: actual.not_yet_recovered_incident_ids.toSorted(),
        median_seconds: actual.median_seconds,
      },
      vector.name,
    ).toEqual({
      ...recovery,
      incident_ids: [...recovery.incident_ids].sort(),
      rolled_back_deployment_ids: [...recovery.rolled_back_deployment_ids].sort(),
    })
  }
}

test('frequency, failure rate and recovery time are those of the reference vectors (lead time and rework are not computed yet)', ({
  skip,
}) => {
  const missing = sharedMissing('vectors', 'dora.json')
  if (missing) skip(missing)
  const { cases } = JSON.parse(readFileSync(shared('vectors', 'dora.json'), 'utf8')) as { cases: readonly Vector[] }
  expect(cases.length).toBeGreaterThan(40)
  for (const vector of cases) check(vector)
})

describe('beside the vectors', () => {
  const day = { from: instant('2026-11-20T00:00:00Z'), to: instant('2026-11-21T00:00:00Z') }
  const ran = (id: string, hour: string, artifact: string, more: Partial<CountedDeployment> = {}): CountedDeployment => ({
    id,
    artifact,
    first_succeeded_at: instant(`2026-11-20T${hour}:00:00Z`),
    incidents: [],
    ...more,
  })

  test('a return to what ran before, made by a roll-back, is recorded and not counted', () => {
    const deployments = [
      ran('d1', '08', 'a'),
      ran('d2', '09', 'b', { rolled_back_at: instant('2026-11-20T10:00:00Z') }),
      ran('d3', '10', 'a'),
    ]
    expect(deploymentFrequency({ deployments, undecided: [] }, day)).toMatchObject({
      numerator: 2,
      deployment_ids: ['d1', 'd2'],
      returned_deployment_ids: ['d3'],
    })
  })

  test('whoever says only what runs again (CDEvents) has rolled back what ran last', () => {
    const deployments = withReturns([ran('d1', '08', 'a'), ran('d3', '10', 'a', { returned: true }), ran('d2', '09', 'b')])
    const history = { deployments, undecided: [] }
    expect(deploymentFrequency(history, day)).toMatchObject({ deployment_ids: ['d1', 'd2'], returned_deployment_ids: ['d3'] })
    expect(changeFailureRate(history, day)).toMatchObject({ numerator: 1, denominator: 2, failed: [{ id: 'd2' }] })
    expect(recoveryTime(history, day)).toMatchObject({ median_seconds: 3600, spans: [{ deployment: 'd2' }] })
  })

  test('the same artifact again without a roll-back is a deployment', () => {
    expect(
      deploymentFrequency({ deployments: [ran('d1', '08', 'a'), ran('d2', '09', 'b'), ran('d3', '10', 'a')], undecided: [] }, day)
        .numerator,
    ).toBe(3)
  })

  test('three incidents of one deployment: one failed deployment, one span, to the last recovery (37)', () => {
    const incident = (id: string, from: string, to: string) => ({
      id,
      began_at: instant(`2026-11-20T${from}:00Z`),
      resolved_at: instant(`2026-11-20T${to}:00Z`),
    })
    const incidents = [incident('INC-1', '13:10', '13:40'), incident('INC-2', '13:20', '14:30'), incident('INC-3', '15:00', '15:05')]
    const history = { deployments: [ran('d1', '12', 'a'), ran('d2', '13', 'b', { incidents })], undecided: [] }
    expect(changeFailureRate(history, day)).toMatchObject({
      numerator: 1,
      denominator: 2,
      percent: 50,
      failed: [{ id: 'd2', incident_ids: ['INC-1', 'INC-2', 'INC-3'] }],
    })
    expect(recoveryTime(history, day)).toMatchObject({
      median_seconds: 125 * 60,
      spans: [{ deployment: 'd2', to: instant('2026-11-20T15:05:00Z') }],
    })
  })

  test('one that never succeeded counts only where it reached users', () => {
    const failed = { id: 'd2', artifact: 'b', failed_at: instant('2026-11-20T09:00:00Z') }
    const rate = (incidents: CountedDeployment['incidents']) =>
      changeFailureRate({ deployments: [ran('d1', '08', 'a'), { ...failed, incidents }], undecided: [] }, day)
    expect(rate([])).toMatchObject({ numerator: 0, denominator: 1 })
    expect(rate([{ id: 'i' }])).toMatchObject({ numerator: 1, denominator: 2 })
  })

  test('the period begins with its first moment and ends before its last', () => {
    const at = (time: string) => ({ ...ran(time, '00', time), first_succeeded_at: instant(time) })
    const deployments = ['2026-11-19T23:59:59.999999Z', '2026-11-20T00:00:00Z', '2026-11-20T23:59:59.999999Z', '2026-11-21T00:00:00Z'].map(
      at,
    )
    expect(deploymentFrequency({ deployments, undecided: [] }, day).deployment_ids).toEqual([
      '2026-11-20T00:00:00Z',
      '2026-11-20T23:59:59.999999Z',
    ])
  })

  test('a recovery before the finish is bad data and in no median', () => {
    const history = {
      deployments: [
        ran('d1', '13', 'a', {
          incidents: [{ id: 'i', began_at: instant('2026-11-20T11:00:00Z'), resolved_at: instant('2026-11-20T12:00:00Z') }],
        }),
      ],
      undecided: [],
    }
    expect(recoveryTime(history, day)).toMatchObject({ median_seconds: null, spans: [], negative_deployment_ids: ['d1'] })
  })
})
