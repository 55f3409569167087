import { DomainError } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { parseJson } from './json.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
function refusal(body: Uint8Array) {
  try {
    parseJson(body)
  } catch (error) {
    if (error instanceof DomainError) return { code: error.code, message: error.message, path: error.details.path }
    throw error
  }
  throw new Error('it was not refused')
}

test('sound JSON is read as it is', () => {
  expect(parseJson(bytes('{"a":[1,-2.5e3,"ä\\u00e4\\ud83d\\ude00",null,true],"b":9007199254740991}'))).toEqual({
    a: [1, -2500, 'ää😀', null, true],
    b: 9007199254740991,
  })
})

test.each([
  ['an empty body', '', undefined, /empty/],
  ['not JSON', '<xml/>', undefined, /not JSON/],
  ['cut off', '{"a": [1, 2', undefined, /not JSON/],
  ['trailing text', '{} {}', undefined, /not JSON/],
  ['nested 10,000 deep', '['.repeat(10_000) + ']'.repeat(10_000), undefined, /deeper than 200/],
  ['objects nested 10,000 deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, undefined, /deeper than 200/],
  ['a duplicate key', '{"outer":{"a":1,"a":2}}', 'outer.a', /"a" stands twice/],
  ['a duplicate key with the same value', '{"a":1,"a":1}', undefined, /stands twice/],
  ['NUL', '{"a":["x\\u0000y"]}', 'a[0]', /NUL/],
  ['a lone surrogate', '{"a":"\\ud83d"}', 'a', /lone surrogate/],
  ['a lone surrogate in a name', '{"\\udc00":1}', '', /lone surrogate/],
  ['an integer beyond 2^53', '{"id":9007199254740993}', 'id', /2\^53/],
  ['a negative one', '{"id":[-9007199254740993]}', 'id[0]', /2\^53/],
  ['a number beyond double', '{"x":1e999}', 'x', /out of range/],
  ['__proto__', '{"__proto__":{"admin":true}}', undefined, /__proto__/],
])('%s is refused', (_, body, path, said) => {
  const refused = refusal(bytes(body))
  expect(refused.code).toBe('invalid')
  expect(refused.message).toMatch(said)
  expect(refused.path ?? '').toBe(path ?? '')
})

test('what is no UTF-8 is refused', () => {
  expect(refusal(new Uint8Array([0x22, 0xc3, 0x28, 0x22])).message).toMatch(/UTF-8/)
})
