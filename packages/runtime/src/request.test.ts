import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOf } from './request.ts'

/** As it was first: what was stored by it is compared with what comes later. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const named = Object.entries(value).filter(([, item]) => item !== undefined)
  const parts = named.sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`)
  return `{${parts.join()}}`
}

test('the hash of a content stays what it was, however its names stand and whatever its text holds', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), fc.string({ unit: 'binary' }), (value, text) => {
      expect(hashOf(value, text)).toBe(hash('sha256', canonical([value, text]), 'hex'))
    }),
  )
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`name ${(n * 7) % 40}`, n % 3 ? n : undefined]))
  expect(hashOf(many, 'a"b\\c\u007f\u2028é')).toBe(hash('sha256', canonical([many, 'a"b\\c\u007f\u2028é']), 'hex'))
})
