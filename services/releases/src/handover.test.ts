import { handover as fact } from '@rondo/contracts/releases'
import { given } from '@rondo/kernel/given'
import { describe, expect, test } from 'vitest'
import { handover, responsible } from './handover.ts'

const offer = { service: 'shop', from: 'team-build', to: 'team-run', requirements: ['REQ-1'] }
const offered = fact.offered({ release: 'stream-1', ...offer, by: 'person:somebody' })
const accepted = fact.accepted({ release: 'stream-1', service: 'shop', team: 'team-run', by: 'person:grace' })
const grace = { actor: 'person:grace' }

describe('a hand-over', () => {
  test('is offered, and accepted by a named person', () => {
    given(handover).ask('offer', offer).then(offered)
    given(handover, offered).ask('offer', offer).nothing()
    given(handover, offered).ask('accept', undefined, grace).then(accepted)
    given(handover, offered, accepted).ask('accept', undefined, grace).nothing()
    given(handover, offered).ask('accept', undefined, { actor: 'service:ci' }).refused('forbidden')
  })

  test('or declined with a reason, and offered again', () => {
    const declined = fact.declined({ release: 'stream-1', service: 'shop', by: 'person:grace', reason: 'no runbook' })
    given(handover, offered).ask('decline', { reason: 'no runbook' }, grace).then(declined)
    given(handover, offered, declined).ask('accept', undefined, grace).refused('wrong_phase')
    given(handover, offered, declined).ask('offer', offer).then(offered)
  })

  test('not without an offer, not after it was accepted, not to oneself', () => {
    given(handover).ask('accept', undefined, grace).refused('not_found')
    given(handover, offered, accepted).ask('decline', { reason: 'x' }, grace).refused('wrong_phase')
    given(handover, offered, accepted).ask('offer', offer).refused('wrong_phase')
    given(handover)
      .ask('offer', { ...offer, to: 'team-build' })
      .refused('invalid')
  })

  test('at each moment exactly one team is responsible', () => {
    const state = { ...handover.initial, from: 'team-build', to: 'team-run' }
    expect((['offered', 'declined', 'accepted'] as const).map((step) => responsible({ ...state, step }))).toEqual([
      'team-build',
      'team-build',
      'team-run',
    ])
  })
})
