import type { Envelope } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { fromIntakeRecord, fromRecord, NotAnEvent, toIntakeRecord, topicOfFact, toRecord } from './cloudevents.ts'

const event: Envelope = {
  id: '0190b3f0-0000-5000-8000-000000000001',
  stream: 'requirement',
  streamId: 'REQ-1/a b',
  version: 3,
  position: 17,
  partition: 2,
  type: 'rondo.requirements.requirement.raised',
  schemaVersion: 2,
  data: { title: 'Überlauf ☃' },
  occurredAt: '2026-11-25T09:00:00.061789Z',
  recordedAt: '2026-11-25T09:00:01.000000Z',
  actor: 'person:ada@example.org',
  correlationId: 'c-1',
  causationId: 'm-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  loopIds: ['REQ-1/a b', 'REQ-2'],
}
const received = (record: { key: string; value: Uint8Array; headers: Readonly<Record<string, string>> }) => ({
  ...record,
  topic: 'rondo.requirements.v1',
  partition: 2,
  offset: 41n,
  timestamp: new Date('2026-11-25T09:00:02.5Z'),
})

test('a ledger event comes back from its record as it was', () => {
  const record = toRecord(event, { previous: 12, epoch: 4 })
  expect(record).toMatchObject({ key: 'requirement/REQ-1/a b', partition: 2 })
  expect(record.headers).toMatchObject({
    ce_specversion: '1.0',
    ce_type: 'rondo.requirements.requirement.raised.v2',
    ce_source: '/rondo/requirements',
  })
  expect(fromRecord(received(record))).toEqual({ event, chain: { previous: 12, epoch: 4 } })
})

test('without a trace and without loops neither appears', () => {
  const { traceparent: _, ...untraced } = { ...event, loopIds: [] }
  expect(fromRecord(received(toRecord(untraced, { previous: 0, epoch: 1 }))).event).toEqual(untraced)
})

test('an intake event gets place and time of recording from the broker', () => {
  const { stream: _1, streamId: _2, version: _3, position: _4, partition: _5, recordedAt: _6, ...rest } = event
  const back = fromIntakeRecord(received(toIntakeRecord({ ...rest, key: 'k' })))
  expect(back).toEqual({
    ...rest,
    stream: 'intake',
    streamId: 'k',
    version: 1,
    position: 41,
    partition: 2,
    recordedAt: '2026-11-25T09:00:02.500000Z',
  })
})

test('what is no event says where it lies and what is missing', () => {
  const record = toRecord(event, { previous: 12, epoch: 4 })
  const { ce_previous: _, ...headers } = record.headers
  expect(() => fromRecord(received({ ...record, headers }))).toThrow(
    new NotAnEvent('rondo.requirements.v1/2 offset 41 has no header ce_previous: only CloudEvents as Rondo writes them are read'),
  )
  expect(() => fromRecord(received({ ...record, value: new Uint8Array([123]) }))).toThrow(NotAnEvent)
  expect(() => fromRecord(received({ ...record, headers: { ...record.headers, ce_position: '-1' } }))).toThrow(NotAnEvent)
})

test('facts name their topic', () => expect(topicOfFact('rondo.builds.change.recorded')).toBe('rondo.builds.v1'))
