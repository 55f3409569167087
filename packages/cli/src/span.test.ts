import { expect, test } from 'vitest'
import { inWords, sinceOf, spanMs, timeoutOf } from './span.ts'

test.each([
  ['90s', 90_000],
  ['15m', 900_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
  ['250ms', 250],
  ['0', 0],
])('%s', (text, ms) => expect(spanMs(text)).toBe(ms))

test.each(['', '5', '-5s', '5 s', '5w', '1.5h', 'soon'])('%j is no span', (text) => {
  expect(spanMs(text)).toBeUndefined()
  expect(() => timeoutOf(text)).toThrow(/--timeout: ".*" is no span such as/)
})

test('since: back from now, or a time', () => {
  const now = Date.parse('2026-11-25T12:00:00Z')
  expect(sinceOf('2h', now)).toBe('2026-11-25T10:00:00.000Z')
  expect(sinceOf('2026-11-25T09:00:00+02:00', now)).toBe('2026-11-25T07:00:00.000Z')
  expect(() => sinceOf('yesterday', now)).toThrow('--since: "yesterday" is neither')
})

test('in words', () => expect([1500, 90_000, 5_400_000].map(inWords)).toEqual(['2 s', '2 min', '1.5 h']))
