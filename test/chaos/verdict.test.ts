import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import type { LedgerEvent } from '@rondo/testkit/promises'
import { expect, test } from 'vitest'
import type { Found, LedgerFound } from './gather.ts'
import type { Outcome, Told } from './told.ts'
import { verdictOf } from './verdict.ts'

const ask = (messageId: string, outcome: Outcome, changed: Partial<Told> = {}): Told => ({
  target: 'requirements',
  method: 'Raise',
  messageId,
  edge: 0,
  request: { requirement_id: messageId, origin_id: '' },
  begun: 0,
  ended: 1,
  outcome,
  ...changed,
})
const yes: Outcome = { kind: 'acknowledged', answer: {} }
const no = (code: string, message = ''): Outcome => ({ kind: 'refused', code, message })
const taken: Outcome = { kind: 'acknowledged', answer: { taken: ['i1'] } }
const partly: Outcome = { kind: 'unknown', code: 'unavailable', message: 'the stream broke', typed: false, taken: ['i2'] }
const told = [ask('m1', yes), ask('m2', yes), ask('m1', yes), ask('i', taken, { target: 'intake', method: 'EmitBatch', request: {} })]

const event = (position: number, streamId: string, causationId: string, changed: Partial<LedgerEvent> = {}): LedgerEvent => ({
  id: `${causationId}!`,
  stream: 'requirement',
  streamId,
  version: 1,
  position,
  partition: 0,
  type: 'rondo.requirements.requirement.raised',
  causationId,
  ...changed,
})
const ledger = (events: readonly LedgerEvent[], messages: readonly string[] = []): LedgerFound => ({
  epoch: 1,
  events,
  messages,
  versions: new Map(events.map(({ stream, streamId, version }) => [`${stream}/${streamId}`, version])),
  parked: [],
  holdings: [],
})
const counted = { stream: 'traffic', type: 'rondo.operations.traffic.reported' } as const
const sound = {
  requirements: ledger([event(1, 'm1', 'm1'), event(2, 'm2', 'm2')], ['m1', 'm2']),
  operations: ledger([event(1, 't', 'i1', counted)], ['i1']),
  gateway: ledger([], ['i1']),
}

/** `sent`: what of each ledger its topic has. */
function found(
  changed: Partial<typeof sound> = {},
  sent: (events: readonly LedgerEvent[]) => readonly LedgerEvent[] = (all) => all,
): Found {
  const ledgers = new Map(Object.entries({ ...sound, ...changed }))
  const topics = Object.fromEntries(
    [...ledgers].map(([service, { events }]) => [
      topicOf(service),
      { service, partitions: [sent(events).map(({ id, position }) => ({ eventId: id, key: id, position, previous: position - 1 }))] },
    ]),
  )
  return { ledgers, topics: { ...topics, [intakeTopic]: { partitions: [[{ eventId: 'i1', key: 'i1' }]] } } }
}

test('nothing is lost, nothing twice, nothing broken', () => {
  expect(verdictOf(told, found(), [])).toEqual({ acknowledged: 3, lost: [], twice: [], broken: [] })
})

const both = (messageId: string, origin_id: string) => ask(messageId, yes, { request: { requirement_id: messageId, origin_id } })
const again = event(3, 'm2', 'm2', { version: 2 })
const countedAgain = event(2, 't', 'i1', { ...counted, id: 'other', version: 2 })
const behind = { ...sound.requirements, versions: new Map([['requirement/m1', 2]]) }
const corrupt: readonly (readonly [name: string, told: readonly Told[], found: Found, lost: number, twice: number])[] = [
  ['an acknowledged ask left nothing', told, found({ requirements: ledger([event(1, 'm1', 'm1')]) }), 1, 0],
  ['acknowledged intake was read by nobody', told, found({ gateway: ledger([]), operations: ledger([]) }), 2, 0],
  [
    'intake that was taken before its stream broke is nowhere',
    [...told, ask('s', partly, { target: 'intake', method: 'EmitStream' })],
    found(),
    1,
    0,
  ],
  ['an event never reached Kafka', told, found({}, (all) => all.slice(0, 1)), 1, 0],
  ['an event was recorded twice', told, found({ requirements: ledger([...sound.requirements.events, again]) }), 0, 1],
  ['intake was counted twice', told, found({ operations: ledger([...sound.operations.events, countedAgain], ['i1']) }), 0, 1],
  ['a state is ahead of its events', told, found({ requirements: behind }), 0, 0],
  ['a refused ask was recorded', [ask('m1', yes), ask('m2', no('already_exists'))], found(), 0, 0],
  ['two got one key', [both('m1', 'issue'), both('m2', 'issue')], found(), 0, 0],
  ['a caller met a defect', [...told, ask('m3', no('internal', 'a defect in Rondo'))], found(), 0, 0],
]
test.each(corrupt)('%s: it is noticed', (_, said, there, lost, twice) => {
  const verdict = verdictOf(said, there, [])
  expect(verdict.lost).toHaveLength(lost)
  expect(verdict.twice.length > 0).toBe(twice > 0)
  expect(verdict.broken).not.toEqual([])
})
