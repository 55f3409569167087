import { expect, test } from 'vitest'
import { actorOf, hashOf, keysOf } from './identity.ts'

const persons = new Map([
  [hashOf('github-id:5551'), 'ada@example.org'],
  [hashOf('email:grace@example.org'), 'grace@example.org'],
])

test.each([
  ['the number in a noreply address', { email: '5551+Ada-L@users.noreply.github.com', name: 'A. L.' }, 'person:ada@example.org'],
  ['the number of the account', { login: 'renamed', id: 5551 }, 'person:ada@example.org'],
  ['an address in any spelling', { email: ' GRACE@Example.ORG ' }, 'person:grace@example.org'],
  ['an account that is gone', null, 'unknown:deleted-account'],
])('%s finds the person', (_, identity, actor) => {
  expect(actorOf(identity, persons)).toBe(actor)
})

test("the platform's own committer is nobody", () => {
  expect(actorOf({ email: 'noreply@github.com', login: 'web-flow', name: 'GitHub' }, persons)).toBeUndefined()
})

test('one who is not known keeps one name in every spelling, and no address stands in it', () => {
  const actor = actorOf({ login: 'Edsger', email: 'edsger@example.org' }, persons)
  expect(actor).toMatch(/^unmapped:[0-9a-f]{20}$/)
  expect(actorOf({ login: 'EDSGER' }, persons)).toBe(actor)
})

test('all keys count, the strongest first', () => {
  expect(keysOf({ login: 'Ada-L', id: 5551, email: '5551+Ada-L@users.noreply.github.com' })).toEqual(['github-id:5551', 'github:ada-l'])
})
