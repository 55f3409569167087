import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import type { LedgerEvent } from '@rondo/testkit/promises'
import { expect, test } from 'vitest'
import type { Found, LedgerFound, Sent } from './gather.ts'
import { behind, type GoneBack, takenBack } from './gone-back.ts'
import type { Told } from './told.ts'
import { verdictOf } from './verdict.ts'

const ask = (messageId: string, ended: number): Told => ({
  target: 'requirements',
  method: 'Raise',
  messageId,
  edge: 0,
  request: { requirement_id: messageId, origin_id: '' },
  begun: 0,
  ended,
  outcome: { kind: 'acknowledged', answer: {} },
})
const event = (position: number, causationId: string): LedgerEvent => ({
  id: `${causationId}!`,
  stream: 'requirement',
  streamId: causationId,
  version: 1,
  position,
  partition: 0,
  type: 'rondo.requirements.requirement.raised',
  causationId,
})
const sent = ({ id, position }: LedgerEvent, epoch = 1, previous = position - 1): Sent => ({
  eventId: id,
  key: id,
  position,
  previous,
  epoch,
})
const ledger = (events: readonly LedgerEvent[], epoch: number): LedgerFound => ({
  epoch,
  events,
  messages: [],
  versions: new Map(events.map(({ stream, streamId, version }) => [`${stream}/${streamId}`, version])),
  parked: [],
  holdings: [],
})
const found = (events: readonly LedgerEvent[], records: readonly Sent[], epoch: number): Found => ({
  ledgers: new Map([
    ['requirements', ledger(events, epoch)],
    ['operations', ledger([], 1)],
    ['gateway', ledger([], 1)],
  ]),
  topics: { [intakeTopic]: { partitions: [[]] }, [topicOf('requirements')]: { service: 'requirements', partitions: [records] } },
})

const kept = event(1, 'kept')
const given = event(2, 'given')
const before = found([kept, given], [sent(kept), sent(given)], 1)
const gone: GoneBack = { at: 10, running: true, heads: new Map([['requirements', 1]]), before, noticed: new Set(['requirements']) }
const later = event(2, 'later')
const told = [ask('kept', 1), ask('given', 2), ask('later', 12)]
const after = (events = [kept, later], records = [sent(kept), sent(given), sent(later, 2)]) => found(events, records, 2)

test('what the copy did not have is given up, not lost; what came after it is judged as ever', () => {
  expect(behind(gone)).toEqual(['requirements'])
  expect([...takenBack(told, gone)]).toEqual(['given'])
  expect(verdictOf(told, after(), [], gone)).toEqual({ acknowledged: 3, lost: [], twice: [], broken: [] })
})

test('what was given up and sent again has to be there', () => {
  const again = event(3, 'given')
  const records = [sent(kept), sent(given), sent(later, 2), sent(again, 2)]
  expect(verdictOf([...told, ask('given', 13)], after([kept, later, again], records), [], gone)).toMatchObject({ lost: [], broken: [] })
  expect(verdictOf([...told, ask('given', 13)], after(), [], gone).lost).toHaveLength(1)
})

const corrupt: readonly (readonly [name: string, found: Found, gone: GoneBack])[] = [
  ['nobody noticed', after(), { ...gone, noticed: new Set() }],
  ['one epoch told two stories', after([kept, later], [sent(kept), sent(given), sent(later), sent(later, 2)]), gone],
  ['what the copy had is gone', after([later], [sent(kept), sent(later, 2)]), gone],
  ['what came after the restore is lost', after([kept], [sent(kept), sent(given)]), gone],
]
test.each(corrupt)('%s: it is seen', (_, there, went) => {
  expect(verdictOf(told, there, [], went).broken).not.toEqual([])
})

const opened = (id: string, position: number, streamId = 'alert:1'): LedgerEvent => ({
  ...event(position, 'intake'),
  id,
  stream: 'signal',
  streamId,
  type: 'rondo.operations.signal.opened',
})
test.each([
  ['a fact recorded anew under another id has been applied as its twin', 'alert:1', 'old', 0],
  ['a fact recorded anew that nobody has applied is missed', 'alert:1', 'nobody', 1],
  ['a twin under another key is none', 'alert:2', 'old', 1],
])('%s', (_, streamId, cause, missed) => {
  const record = (one: LedgerEvent, epoch: number): Sent => ({ ...sent(one, epoch, 0), key: `signal/${one.streamId}` })
  const raised = { ...event(1, 'kept'), causationId: cause }
  const there = found([raised], [sent(raised)], 1)
  const fresh = opened('new', 1, streamId)
  const ledgers = new Map([...there.ledgers, ['operations', ledger([fresh], 2)]])
  const topics = {
    ...there.topics,
    [topicOf('operations')]: { service: 'operations', partitions: [[record(opened('old', 1), 1), record(fresh, 2)]] },
  }
  const went = { ...gone, heads: new Map(), before: there, noticed: new Set(['requirements']) }
  const { broken } = verdictOf([], { ledgers, topics }, [], went)
  expect(broken.filter(({ what }) => what.includes('never changed by new'))).toHaveLength(missed)
})
