import { expect, test } from 'vitest'
import { requirement } from './requirements.ts'

// Bytes as version 1 stored them: they are never rewritten, so they must read for ever
const stored = '{"title":"Checkout fails","service":"shop","problem":"shop/PaymentTimeout"}'
const storedByAPerson = '{"title":"Dark mode","service":"shop"}'

test('a requirement raised under version 1 reads as one of version 2', () => {
  expect(requirement.raised.type).toBe('rondo.requirements.requirement.raised.v2')
  expect(requirement.raised.read(1, JSON.parse(stored))).toEqual({
    title: 'Checkout fails',
    service: 'shop',
    problem: 'shop/PaymentTimeout',
    origin: { kind: 'signal', id: 'shop/PaymentTimeout' },
  })
  expect(requirement.raised.read(1, JSON.parse(storedByAPerson))).toMatchObject({ origin: { kind: 'person' } })
})

test('a version from the future is not guessed at', () => {
  expect(() => requirement.raised.read(3, JSON.parse(stored))).toThrow(/up to version 2, not 3/)
})

test('what does not fit its own version is refused', () => {
  expect(() => requirement.raised.read(2, JSON.parse(stored))).toThrow(/origin/)
})
