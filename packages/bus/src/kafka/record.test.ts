import { expect, test } from 'vitest'
import { recordsIn } from './record.ts'

/** As Kafka writes numbers: zigzag, in groups of seven bits. */
function int(value: number): readonly number[] {
  const bytes: number[] = []
  let rest = (value << 1) ^ (value >> 31)
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}
/** As `int`, of more than 32 bits. */
function long(value: number): readonly number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}
const text = (value: string | null) => (value === null ? int(-1) : [...int(Buffer.byteLength(value)), ...Buffer.from(value)])
const encoded = (...headers: readonly (readonly [string, string | null])[]) =>
  Buffer.from([...int(headers.length), ...headers.flatMap(([name, value]) => [...text(name), ...text(value)])])
/** A record: no attributes, so much later than the base, so far behind it, no key, no value. */
const message = (headers: Buffer, { later = 0, offset = 0 } = {}) => {
  const body = Buffer.from([0, ...long(later), ...int(offset), ...int(-1), ...int(-1), ...headers])
  return Buffer.from([...int(body.length), ...body])
}
const base = { topic: 't', partition: 0, offset: 7n, timestamp: 1000, appended: undefined }
const records = (...messages: readonly Buffer[]) => [...recordsIn(Buffer.concat(messages), messages.length, base)]
const headersOf = (...headers: readonly (readonly [string, string | null])[]) => records(message(encoded(...headers)))[0]?.headers

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

test('offsets and times are counted from those of the batch, times also where they are far apart', () => {
  const far = 40_000_000_000
  const [first, second] = records(message(encoded()), message(encoded(), { later: far, offset: 3 }))
  expect(first).toEqual({ topic: 't', partition: 0, offset: 7n, timestamp: new Date(1000), key: '', value: null, headers: {} })
  expect(second).toMatchObject({ offset: 10n, timestamp: new Date(1000 + far) })
  const appended = new Date(5)
  expect([...recordsIn(message(encoded(), { later: -3 }), 1, { ...base, appended })]).toMatchObject([{ offset: 7n, timestamp: appended }])
})

test('a record that is cut off is an error, not the end', () => {
  const whole = message(encoded(['a', '1']))
  const read = () => [...recordsIn(whole.subarray(0, whole.length - 2), 1, base)]
  expect(read).toThrow(RangeError)
  expect(() => [...recordsIn(whole, 2, base)]).toThrow(RangeError)
})
