import { describe, expect, test } from 'vitest'
import { eventId } from './event-id.ts'
import { failureOf } from './failure.ts'
import { storable, storableId } from './storable.ts'

describe('what PostgreSQL can keep', () => {
  test.each([['\0'], ['\ud800'], ['a\udfffb'], ['\\\0'], ['\\\\\ud83d']])('not %j', (text) => {
    expect(() => storable({ deep: [text] }, 'it', 1_000)).toThrow(/NUL character or half/)
    expect(() => storable({ [text]: 1 }, 'it', 1_000)).toThrow(/NUL character or half/)
    if (!text.startsWith('\\')) expect(() => storableId(text, 'it')).toThrow(/without NUL/)
  })

  test.each([['\\u0000'], ['\\\\u0000'], ['\\ud800'], ['😀'], ['\u0001']])('%j as it is', (text) => {
    expect(JSON.parse(storable(text, 'it', 1_000))).toBe(text)
  })

  test('sizes are bytes', () => {
    expect(() => storable('é'.repeat(499), 'it', 1_000)).not.toThrow()
    expect(() => storable('é'.repeat(500), 'it', 1_000)).toThrow(/larger than 1000 bytes/)
    expect(() => storableId('', 'it')).toThrow(/1 to 500/)
    expect(() => storableId('x'.repeat(501), 'it')).toThrow(/1 to 500/)
  })
})

test('event ids are uuids of version 5, the same for the same unit, another for each fact', () => {
  const id = eventId('unit', 'order', 'o-1', 1)
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(eventId('unit', 'order', 'o-1', 1)).toBe(id)
  const others = [eventId('unit', 'order', 'o-1', 2), eventId('unit', 'order', 'o-2', 1), eventId('other', 'order', 'o-1', 1)]
  expect(new Set([id, ...others]).size).toBe(4)
})

test.each([
  ['57P01', 'down'],
  ['08006', 'down'],
  ['53100', 'down'],
  ['ECONNREFUSED', 'down'],
  ['40P01', 'again'],
  ['RL001', 'lost'],
  ['RL002', 'fenced'],
  ['22012', 'statement'],
  ['23505', 'statement'],
  ['', 'statement'],
])('a failure with the state %s means %s', (code, means) => {
  expect(failureOf(Object.assign(new Error('it failed'), { code }))).toBe(means)
})
