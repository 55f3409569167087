import { release } from '@rondo/contracts/releases'
import { expect, test } from 'vitest'
import { domainAttributes, loopAttributes, userAttributes } from './span-event.ts'

test('who acted is a user if it is a person', () => {
  expect(userAttributes('person:ada')).toEqual({ 'user.id': 'ada' })
  expect(userAttributes('service:ci')).toEqual({})
  expect(userAttributes('unmapped:abc')).toEqual({})
})

test('a turn can be searched for by one value; the others are listed', () => {
  expect(loopAttributes([], 'http://rondo')).toEqual({})
  expect(loopAttributes(['REQ-1'], 'http://rondo')).toEqual({ 'rondo.loop.id': 'REQ-1', 'rondo.url': 'http://rondo/#REQ-1' })
  expect(loopAttributes(['REQ-1', 'REQ-2'], 'http://rondo')).toMatchObject({
    'rondo.loop.id': 'REQ-1',
    'rondo.loop.ids': ['REQ-1', 'REQ-2'],
  })
})

test('what is not known is left out', () => {
  const data = { service: undefined, content_hash: 'h', by: 'person:grace' }
  expect(domainAttributes({ type: release.approved.base, stream: 'release', streamId: 'REL-1', data })).toEqual({
    'rondo.release.id': 'REL-1',
    'rondo.release.content_hash': 'h',
  })
})
