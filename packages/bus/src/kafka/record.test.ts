import { expect, test } from 'vitest'
import { storedRecord, storedRecords } from './record.ts'

/** As Kafka writes numbers: zigzag, in groups of seven bits. */
function int(value: number): readonly number[] {
  const bytes: number[] = []
  let rest = (value << 1) ^ (value >> 31)
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}
const text = (value: string | null) => (value === null ? int(-1) : [...int(Buffer.byteLength(value)), ...Buffer.from(value)])
const encoded = (...headers: readonly (readonly [string, string | null])[]) =>
  Buffer.from([...int(headers.length), ...headers.flatMap(([name, value]) => [...text(name), ...text(value)])])
const message = (encodedHeaders?: Buffer) => ({
  offset: '7',
  timestamp: '0',
  key: null,
  value: null,
  ...(encodedHeaders ? { encodedHeaders } : {}),
})
const headersOf = (...headers: readonly (readonly [string, string | null])[]) => storedRecord('t', 0, message(encoded(...headers))).headers

test('headers are texts; of a name that is there twice the last one counts, and null is empty', () => {
  const long = 'ä'.repeat(5000)
  expect(headersOf(['a', '1'], ['b', long], ['a', '2'], ['c', null])).toEqual({ a: '2', b: long, c: '' })
  expect(headersOf()).toEqual({})
})

test('names are told apart whatever the record before it had in their place', () => {
  expect(headersOf(['ce_id', '1'], ['ce_type', 'x'])).toEqual({ ce_id: '1', ce_type: 'x' })
  expect(headersOf(['ce_type', 'y'], ['ce_ids', '2'], ['ce_id', '3'])).toEqual({ ce_type: 'y', ce_ids: '2', ce_id: '3' })
  expect(headersOf(['ce', '4'])).toEqual({ ce: '4' })
})

test('a record whose headers the client has not kept is refused; one of before there were any has none', () => {
  expect(() => storedRecord('t', 0, { ...message(), headers: {} })).toThrow(/patched/)
  expect(storedRecord('t', 0, message())).toEqual({
    topic: 't',
    partition: 0,
    offset: 7n,
    timestamp: new Date(0),
    key: '',
    value: null,
    headers: {},
  })
})

test('a batch can be gone through again', () => {
  const records = storedRecords('t', 0, [message(encoded(['a', '1'])), message(encoded(['a', '2']))])
  const read = () => [...records].map(({ headers }) => headers.a)
  expect([read(), read()]).toEqual([
    ['1', '2'],
    ['1', '2'],
  ])
})
