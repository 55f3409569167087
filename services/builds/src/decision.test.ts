import { gate as fact } from '@rondo/contracts/builds'
import { at, given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { type Decided, gate } from './decision.ts'

const artifact = `sha256:${'8'.repeat(64)}`
const criterion = {
  id: 'failed-tests',
  status: 'fail' as const,
  value: 1,
  threshold: '==0',
  baseline: null,
  weight: 1,
  key: true,
  reason: 'failed',
}
const decided = (more: Partial<Decided> = {}): Decided => ({
  artifact,
  service: 'shop',
  verdict: 'fail',
  score: 0,
  criteria: [criterion],
  policy_hash: 'p',
  inputs_hash: 'i',
  release_allowed: false,
  reasons: [],
  requirements: ['REQ-1'],
  basis: 5,
  ...more,
})
const verdict = at('2026-11-10T09:00:00.000000Z', fact.decided(decided()))
const ada = { actor: 'person:ada', role: 'author' as const }
const waiver = {
  criterion: 'failed-tests',
  reason: 'known, accepted until the fix',
  until: '2026-12-01T00:00:00.000000Z',
  contributors: [ada],
}
const dora = { actor: 'person:dora', at: '2026-11-11T09:00:00.000000Z', streamId: artifact }

test('a new verdict only where an input or the policy changed', () => {
  given(gate).tell('decided', decided()).then(fact.decided(decided()))
  given(gate, verdict)
    .tell('decided', decided({ basis: 9 }))
    .nothing()
  for (const more of [{ inputs_hash: 'j' }, { policy_hash: 'q' }])
    given(gate, verdict)
      .tell('decided', decided({ ...more, basis: 6 }))
      .then(fact.decided(decided({ ...more, basis: 6 })))
  given(gate, verdict)
    .tell('decided', decided({ inputs_hash: 'j', basis: 4 }))
    .nothing()
})

test('who waives says who, why, until when', () => {
  const { contributors: _, ...said } = waiver
  given(gate, verdict)
    .ask('waive', waiver, dora)
    .then(fact.waived({ artifact, ...said, by: 'person:dora' }))
})

test('a contributor cannot waive, nor can a service', () => {
  const own = given(gate, verdict)
    .ask('waive', waiver, { ...dora, actor: 'person:ada' })
    .refused('four_eyes')
  expect(own.message).toContain('author')
  given(gate, verdict)
    .ask('waive', waiver, { ...dora, actor: 'service:ci' })
    .refused('four_eyes')
})

test('where a contributor cannot be identified nobody can say who contributed', () => {
  const strangers = { ...waiver, contributors: [ada, { actor: 'unknown:deleted-account', role: 'author' as const }] }
  expect(given(gate, verdict).ask('waive', strangers, dora).refused('unknown_identity').details.missing).toEqual([
    'unknown:deleted-account (author)',
  ])
  given(gate, verdict)
    .ask('waive', { ...waiver, contributors: undefined }, dora)
    .refused('unknown_identity')
})

test('a waiver names a criterion of the policy and ends in the future', () => {
  expect(
    given(gate, verdict)
      .ask('waive', { ...waiver, criterion: 'nothing' }, dora)
      .refused('invalid').details.path,
  ).toBe('criterion')
  expect(
    given(gate, verdict)
      .ask('waive', { ...waiver, until: dora.at }, dora)
      .refused('invalid').details.path,
  ).toBe('until')
  given(gate).ask('waive', waiver, dora).refused('not_found')
})

test('verdicts in any order: the one that saw most is in force', () => {
  given(
    gate,
    fact.decided(decided({ basis: 5 })),
    fact.decided(decided({ basis: 7, inputs_hash: 'j', verdict: 'pass' })),
    fact.decided(decided({ basis: 6, inputs_hash: 'k' })),
  ).phase('pass')
  given(gate, fact.decided(decided({ basis: 7, inputs_hash: 'j', verdict: 'pass' })), fact.decided(decided({ basis: 5 }))).phase('pass')
})
