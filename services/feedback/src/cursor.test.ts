import { DomainError } from '@rondo/kernel'
import { expect, it } from 'vitest'
import { cursorOf, placeOf } from './cursor.ts'

const head = { position: 100, epoch: 2 }
const codeOf = (cursor: string) => {
  try {
    return placeOf(cursor, head)
  } catch (error) {
    return error instanceof DomainError ? error.code : error
  }
}

it('leads back to its place', () => {
  expect(codeOf(cursorOf({ position: 0, epoch: 2 }))).toBe(0)
  expect(codeOf(cursorOf({ position: 100, epoch: 2 }))).toBe(100)
})

it('is answered where it leads nowhere', () => {
  expect(codeOf(cursorOf({ position: 101, epoch: 2 }))).toBe('stale_cursor')
  expect(codeOf(cursorOf({ position: 5, epoch: 1 }))).toBe('stale_cursor')
  expect(codeOf(cursorOf({ position: 5, epoch: 3 }))).toBe('stale_cursor')
  expect(codeOf('nonsense')).toBe('invalid')
  expect(codeOf(Buffer.from('2.-1').toString('base64url'))).toBe('invalid')
})
