import { expect, test } from 'vitest'
import { type EventText, lineOf, rowOf } from './line.ts'

const row: EventText = {
  id: '6f1c1d0e-0000-4000-8000-000000000001',
  stream: 'requirement',
  stream_id: 'REQ-1/with/slashes',
  version: 3,
  position: '9007199254740993',
  previous: '0',
  partition: 7,
  type: 'rondo.requirements.requirement.raised',
  schema_version: 2,
  data: '{"n": 1.10, "big": 12345678901234567890123, "text": "\u2028 ,\\"data\\": }"}',
  occurred_at: '2026-01-01T00:00:00.000000Z',
  recorded_at: '2026-01-01T00:00:00.000001Z',
  actor: 'person:"quoted","data":',
  correlation_id: 'c',
  causation_id: 'm',
  traceparent: null,
  loop_ids: ['REQ-1', 'with space', 'ünï'],
}

test('a line gives its row back, the data to the letter', () => {
  expect(rowOf(lineOf(row))).toEqual(row)
  expect(rowOf(lineOf({ ...row, traceparent: '00-1-2-01', loop_ids: [] }))).toEqual({ ...row, traceparent: '00-1-2-01', loop_ids: [] })
})

test('a line is a CloudEvent that any reader of JSON understands', () => {
  expect(JSON.parse(lineOf(row))).toMatchObject({
    specversion: '1.0',
    type: 'rondo.requirements.requirement.raised.v2',
    source: '/rondo/requirements',
    subject: 'requirement/REQ-1/with/slashes',
    data: { n: 1.1 },
  })
})

test('what is no event of an archive is named', () => {
  expect(() => rowOf('{"specversion":"1.0"}')).toThrow('no event of an archive: {"specversion"')
  expect(() => rowOf('{"specversion":"1.0","data":{}}')).toThrow('an event of an archive has no type')
})
