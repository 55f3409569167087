import { turn as fact, notice as noticeFact } from '@rondo/contracts/feedback'
import { given } from '@rondo/kernel/given'
import { describe, expect, it } from 'vitest'
import { entry } from './entry.ts'
import { notice } from './notice.ts'
import { type Decision, outcomesOf, runningArtifact, turn } from './turn.ts'

const decided = (decision: Decision, reason = '') => fact.decided({ requirement: 'stream-1', decision, reason })
const [a1, a2] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`]
const moved = (minutes: number, artifact: string, inside: boolean) =>
  fact.moved({ requirement: 'stream-1', place: 'shop/production', artifact, inside, at: `2026-01-01T00:0${minutes}:00.000000Z`, basis: 0 })
type Facts = Parameters<typeof given<typeof turn>>[1]
const outcomes = (...facts: Facts[]) =>
  outcomesOf(
    given(turn, ...facts)
      .inAnyOrder()
      .states()[0]!,
  )

describe('what there is to tell of a requirement', () => {
  it('is "verified" while it runs in production', () => {
    expect(outcomes(decided('verified'))).toEqual(['verified'])
    expect(outcomes(moved(1, a1, true), decided('verified'))).toEqual(['verified'])
    expect(outcomes(moved(1, a1, true), decided('verified'), moved(2, a2, false))).toEqual([])
    expect(outcomes(moved(1, a1, true), decided('verified'), moved(2, a2, false), moved(3, a1, true))).toEqual(['verified'])
    expect(outcomes(moved(1, a1, true), decided('verified'), decided('reopened'))).toEqual([])
    expect(outcomes(decided('reopened'), decided('verified'))).toEqual(['verified'])
  })

  it('is "declined" until it is reopened and "merged" until that is taken back', () => {
    expect(outcomes(decided('declined', 'too costly'))).toEqual(['declined'])
    expect(outcomes(decided('declined'), decided('reopened'))).toEqual([])
    expect(outcomes(decided('merged'))).toEqual(['merged'])
    expect(outcomes(decided('merged'), decided('unmerged'))).toEqual([])
  })

  it('names what runs now', () => {
    expect(
      runningArtifact(
        given(turn, moved(1, a1, true), moved(2, a2, true))
          .inAnyOrder()
          .states()[0]!,
      ),
    ).toBe(a2)
    expect(
      runningArtifact(
        given(turn, moved(1, a1, true), moved(2, a2, false))
          .inAnyOrder()
          .states()[0]!,
      ),
    ).toBeUndefined()
  })

  it('copies each fact once', () => {
    const time = { at: '2026-01-01T00:00:00.000000Z' }
    given(turn, decided('verified')).tell('decided', { decision: 'verified', reason: '' }, time).nothing()
    given(turn, moved(1, a1, true))
      .tell('moved', { place: 'shop/production', artifact: a1, inside: true, at: '2026-01-01T00:01:00.000000Z', basis: 0 }, time)
      .nothing()
    given(turn, fact.titled({ requirement: 'stream-1', title: 't', service: 's' }))
      .tell('raised', { title: 't', service: 's' }, time)
      .nothing()
  })
})

describe('a notice', () => {
  const news = { requirement: 'REQ-1', requester: 'r-1', kind: 'verified', text: 'it works' } as const
  const due = noticeFact.due({ notice: 'stream-1', ...news })

  it('tells each outcome once', () => {
    given(notice).tell('due', news).then(due)
    given(notice, due)
      .tell('due', { ...news, text: 'in other words' })
      .nothing()
    given(notice, due)
      .tell('due', { ...news, kind: 'declined' })
      .then(noticeFact.due({ notice: 'stream-1', ...news, kind: 'declined' }))
    given(notice, due).phase('due')
    given(notice, due)
      .tell('deliver', { kind: 'verified', via: 'feedback stream' })
      .then(noticeFact.delivered({ notice: 'stream-1', kind: 'verified', via: 'feedback stream' }))
    given(notice, due, noticeFact.delivered({ notice: 'stream-1', kind: 'verified', via: 'x' }))
      .inAnyOrder()
      .phase('delivered')
  })
})

describe('a line of the feedback stream', () => {
  it('is published once for the fact it is about', () => {
    const line = { kind: 'signal', service: 'shop', title: 't', text: 'x', about: 'e-1' } as const
    const published = entry.facts.published({ entry: 'stream-1', ...line, at: '2026-01-01T00:00:00.000000Z' })
    given(entry).tell('publish', line).then(published)
    given(entry, published).tell('publish', line).nothing()
  })
})
