import { item as fact, requester as requesterFact } from '@rondo/contracts/feedback'
import { at, given } from '@rondo/kernel/given'
import { describe, expect, it } from 'vitest'
import { item, requestersOf, requirementsOf } from './item.ts'
import { requester } from './requester.ts'

const submitted = fact.submitted({
  item: 'stream-1',
  service: 'shop',
  text: 'checkout fails\nsince Monday',
  requester: 'r-1',
  channel: 'api',
})
const issue = (text: string) =>
  fact.submitted({
    item: 'stream-1',
    text,
    requester: 'person:ada',
    channel: 'issue',
    external: 'github.com/example/shop#7',
    repository: 'example/shop',
  })
const link = { item: 'stream-1', requirement: 'REQ-1', requester: 'r-1', voters: [], by: 'person:somebody' }
const linked = fact.linked(link)
const unlinked = fact.unlinked({ item: 'stream-1', requirement: 'REQ-1' })
const voted = (requester: string) => fact.voted({ item: 'stream-1', requester, requirements: [] })
const minute = (n: number) => `2026-01-01T00:${String(n).padStart(2, '0')}:00.000000Z`

describe('an item', () => {
  it('is submitted once', () => {
    const submission = { service: 'shop', text: 'checkout fails\nsince Monday', requester: 'r-1', channel: 'api' } as const
    given(item).ask('submit', submission).then(submitted)
    given(item, submitted).ask('submit', submission).refused('already_exists')
    given(item, submitted).phase('submitted')
  })

  it('is asked about only where it exists', () => {
    given(item).ask('link', { requirement: 'REQ-1' }).refused('not_found')
    given(item).ask('vote', { requester: 'r-2' }).refused('not_found')
    given(item).ask('answer', { text: 'thanks' }).refused('not_found')
    given(item).ask('askFor', {}).refused('not_found')
  })

  it('is linked with all who want it', () => {
    given(item, submitted, voted('r-2'))
      .ask('link', { requirement: 'REQ-1' })
      .then(fact.linked({ ...link, voters: ['r-2'] }))
    given(item, submitted, linked).ask('link', { requirement: 'REQ-1' }).nothing()
    given(item, submitted, linked).inAnyOrder().phase('linked')
    given(item, submitted, linked, unlinked).inAnyOrder().phase('submitted')
  })

  it('asks for a requirement, unless it has one', () => {
    const asked = fact.asked_for({
      item: 'stream-1',
      title: 'checkout fails',
      service: 'shop',
      requester: 'r-1',
      voters: [],
      by: 'person:somebody',
    })
    given(item, submitted).ask('askFor', {}).then(asked)
    given(item, submitted, asked).ask('askFor', {}).nothing()
    given(item, submitted, linked).ask('askFor', {}).refused('wrong_phase')
    given(item, issue('dark mode')).ask('askFor', {}).refused('invalid')
    given(item, submitted, asked).inAnyOrder().phase('asked_for')
  })

  it('counts a vote of each requester once', () => {
    given(item, submitted, linked)
      .ask('vote', { requester: 'r-2' })
      .then(fact.voted({ item: 'stream-1', requester: 'r-2', requirements: ['REQ-1'] }))
    given(item, submitted).ask('vote', { requester: 'r-1' }).nothing()
    given(item, submitted, voted('r-2')).ask('vote', { requester: 'r-2' }).nothing()
    expect(requestersOf(given(item, submitted, voted('r-3'), voted('r-2')).inAnyOrder().states()[0]!)).toEqual(['r-1', 'r-2', 'r-3'])
  })

  it('says what an edited issue says last, and knows who opened it, in any order', () => {
    const edited = { ...issue('second'), data: { ...issue('second').data, requester: 'person:grace' } }
    const [state] = given(item, issue('first'), edited).inAnyOrder().states()
    expect(state).toMatchObject({ latest: { text: 'second' }, first: { requester: 'person:ada' } })
    const seen = { text: 'first', requester: 'person:ada', external: 'github.com/example/shop#7', repository: 'example/shop' }
    given(item).tell('issueObserved', seen).then(issue('first'))
    given(item, at(minute(1), issue('first')))
      .tell('issueObserved', seen, { at: minute(1) })
      .nothing()
    given(item, at(minute(1), issue('first')))
      .tell('issueObserved', seen, { at: minute(0) })
      .then(issue('first'))
  })

  it('waits for its service', () => {
    const keys = (state: Parameters<typeof item.keys.unplaced>[0] | undefined) => (state ? item.keys.unplaced(state) : [])
    expect(keys(given(item, issue('x')).states()[0])).toEqual(['example/shop'])
    expect(
      keys(
        given(item, issue('x'), fact.placed({ service: 'shop' }))
          .inAnyOrder()
          .states()[0],
      ),
    ).toEqual([])
  })

  it('follows its requirement when that is split or merged', () => {
    given(item, submitted, at(minute(1), linked))
      .tell('requirementLost', { requirement: 'REQ-1' }, { at: minute(2) })
      .then(unlinked)
    given(item, submitted, at(minute(5), linked))
      .tell('requirementLost', { requirement: 'REQ-1' }, { at: minute(2) })
      .nothing()
    given(item, submitted).tell('requirementKnown', { requirement: 'REQ-1', requester: 'r-1', moved: true }).then(linked)
    given(item, submitted, at(minute(1), linked))
      .tell('requirementKnown', { requirement: 'REQ-1', requester: 'r-2', moved: false }, { at: minute(2) })
      .nothing()
    expect(requirementsOf(given(item, linked, unlinked, submitted).inAnyOrder().states()[0]!)).toEqual([])
  })

  it('keeps comments and answers', () => {
    const comment = fact.commented({ item: 'stream-1', comment: 'c-1', text: 'me too', by: 'person:grace' })
    given(item, submitted, comment, fact.answered({ item: 'stream-1', by: 'person:ada', text: 'in progress' }))
      .inAnyOrder()
      .phase('answered')
    given(item, comment).phase('unseen')
  })
})

describe('a requester', () => {
  const known = requesterFact.known({ requester: 'stream-1' })
  const erased = requesterFact.erased({ requester: 'stream-1', by: 'person:somebody' })

  it('is erased, and known again when back', () => {
    given(requester).ask('erase').refused('not_found')
    given(requester, known).ask('erase').then(erased)
    given(requester, known, erased).ask('erase').nothing()
    given(requester, known, erased).inAnyOrder().phase('erased')
    given(requester, known, erased).tell('seen').then(known)
    given(requester, known)
      .tell('seen', undefined, { at: minute(0) })
      .nothing()
    given(requester, known, erased, known).phase('known')
  })
})
