import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { millis, parseInstant, plus, toInstant } from './instant.ts'

describe('an instant', () => {
  it.each([
    ['2026-11-25T09:00:00Z', '2026-11-25T09:00:00.000000Z'],
    ['2026-11-25 09:00:00Z', '2026-11-25T09:00:00.000000Z'],
    ['2026-11-25t09:00:00z', '2026-11-25T09:00:00.000000Z'],
    ['2026-11-25T09:00:00.061789Z', '2026-11-25T09:00:00.061789Z'],
    ['2026-11-25T09:00:00.0617891234Z', '2026-11-25T09:00:00.061789Z'],
    ['2026-11-25T09:00:00.9999999Z', '2026-11-25T09:00:00.999999Z'],
    ['2026-11-25T09:00:00.5+05:30', '2026-11-25T03:30:00.500000Z'],
    ['2026-03-01T00:30:00+01:00', '2026-02-28T23:30:00.000000Z'],
    ['2024-02-29T12:00:00Z', '2024-02-29T12:00:00.000000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
  ])('%s is %s', (text, instant) => expect(parseInstant(text)).toBe(instant))

  it.each([
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-25T24:00:00Z',
    '2026-11-25T09:60:00Z',
    '2026-11-25T09:00:60Z',
    '2026-11-25T09:00:00',
    '2026-11-25T09:00:00+0100',
    '2026-11-25T09:00:00+99:00',
    '2026-11-25T09:00:00.Z',
    '2026-11-25',
    '20261125T090000Z',
    'yesterday',
    '',
    ' 2026-11-25T09:00:00Z',
    '0000-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
  ])('"%s" is none', (text) => expect(parseInstant(text)).toBeUndefined())

  it('orders as text as it orders in time, and keeps what it was', () => {
    const date = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-30'), noInvalidDate: true })
    fc.assert(
      fc.property(date, date, fc.integer({ min: 0, max: 999 }), (a, b, micros) => {
        const [one, other] = [toInstant(a), toInstant(b)]
        expect(Math.sign(one < other ? -1 : one > other ? 1 : 0)).toBe(Math.sign(a.getTime() - b.getTime()))
        expect(millis(one)).toBe(a.getTime())
        const fine = one.replace(/000Z$/, `${String(micros).padStart(3, '0')}Z`)
        expect(parseInstant(fine)).toBe(fine)
        expect(plus(fine, 0)).toBe(fine)
        expect(plus(plus(fine, 86_400_000), -86_400_000)).toBe(fine)
      }),
    )
  })

  it('later by milliseconds keeps its microseconds', () => {
    expect(plus('2026-11-25T23:59:59.999789Z', 1)).toBe('2026-11-26T00:00:00.000789Z')
  })
})
