import { describe, expect, test } from 'vitest'
import { deploymentAnswer, gateAnswer, proofAnswer, releaseAnswer } from './wait-targets.ts'

const criterion = { threshold: '>=80', weight: 1, key: false, reason: '', waived_by: '' }
const decision = {
  decision_id: 'd',
  policy_hash: 'p',
  inputs_hash: 'i',
  release_allowed: false,
  allowed_until: '',
  reasons: ['2 criteria'],
  decided_at: '',
}

describe('the gate', () => {
  test('that allows is met, whatever the verdict', () =>
    expect(gateAnswer({ ...decision, verdict: 'warn', release_allowed: true, criteria: [] }).outcome).toBe('met'))
  test('that does not names every criterion that is not met, and none that is or is waived', () => {
    const criteria = [
      { ...criterion, id: 'coverage', status: 'fail', value: 71 },
      { ...criterion, id: 'tests', status: 'pass', value: 90 },
      { ...criterion, id: 'latency', status: 'missing', reason: 'nothing was measured' },
      { ...criterion, id: 'size', status: 'warn', value: 3, waived_by: 'person:grace' },
    ]
    expect(gateAnswer({ ...decision, verdict: 'fail', criteria })).toEqual({
      outcome: 'refused',
      state: 'the verdict is fail',
      unmet: ['coverage: fail, 71 (>=80)', 'latency: missing (>=80); nothing was measured'],
    })
  })
  test('without enough to judge by is pending', () => {
    expect(gateAnswer({ ...decision, verdict: 'inconclusive', criteria: [] })).toMatchObject({ outcome: 'pending', unmet: ['2 criteria'] })
    expect(gateAnswer(null).outcome).toBe('pending')
  })
})

const release = {
  release_id: 'REL-1',
  service: 'shop',
  phase: 'candidate',
  artifacts: [],
  requirements: [],
  changes: [],
  policy_hash: '',
  content_hash: '',
  missing: [],
  contributors: [],
  gates: [],
  approvals: [],
  approval_obstacles: ['a contributor cannot be identified'],
  deployment_obstacles: ['not approved', 'a contributor cannot be identified'],
  denials: [],
  notes: '',
  reason: '',
}

describe('a release', () => {
  test('that runs is met', () => expect(releaseAnswer(release, ['REL-1'], 'production').outcome).toBe('met'))
  test('that waits names each obstacle once', () =>
    expect(releaseAnswer(release, [], 'production')).toEqual({
      outcome: 'pending',
      state: 'REL-1 is candidate',
      unmet: ['a contributor cannot be identified', 'not approved'],
    }))
  test('that was refused will not run', () =>
    expect(releaseAnswer({ ...release, phase: 'refused', reason: 'no' }, [], 'production')).toMatchObject({
      outcome: 'refused',
      state: 'REL-1 is refused: no',
    }))
})

test.each([
  ['succeeded', 'met'],
  ['failed', 'failed'],
  ['rolled_back', 'failed'],
  ['started', 'pending'],
])('a deployment that %s', (phase, outcome) => {
  const deployment = {
    deployment_id: 'd',
    source: '',
    service: '',
    environment: 'production',
    production: true,
    artifact: '',
    revision: '',
    phase,
    attempts: [],
    first_succeeded_at: '',
    rolled_back_at: '',
    share: 1,
    violations: [],
    incidents: [],
    requirements: [],
    unmapped: '',
  }
  expect(deploymentAnswer(deployment).outcome).toBe(outcome)
})

test.each([
  ['verified', 'met'],
  ['regressed', 'failed'],
  ['recurred', 'failed'],
  ['inconclusive', 'failed'],
  ['open', 'pending'],
  ['suspended', 'pending'],
  ['error', 'pending'],
])('a proof that is %s', (phase, outcome) => {
  const counts = { events: '0', exposure: 10, unit: 'requests', from: '', to: '', event_ids: [] }
  const proof = {
    proof_id: 'PRF-1',
    requirement_id: '',
    service: '',
    environment: '',
    problem: '',
    signal_ids: [],
    terms: null,
    phase,
    clock_started_at: '',
    deadline_at: '',
    artifacts: [],
    before: counts,
    after: counts,
    needed_further_exposure: 99.2,
    verdict: '',
    reason: '',
    query: '',
    noted_events: '0',
    recurred_at: '',
  }
  expect(proofAnswer(proof)).toMatchObject({
    outcome,
    unmet: outcome === 'pending' ? ['needs about 100 more requests in which nothing happens'] : [],
  })
})
