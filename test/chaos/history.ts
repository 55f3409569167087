import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import type { Acknowledged, AcknowledgedIntake, ConsumerHistory, History, LedgerEvent, Refused, Unknown } from '@rondo/testkit/promises'
import type { Found, LedgerFound } from './gather.ts'
import { type Told, takenOf } from './told.ts'

const intakeTypes: Readonly<Record<string, string>> = {
  alertmanager: 'rondo.intake.alert.observed',
  EmitBatch: 'rondo.intake.errors.reported',
  EmitStream: 'rondo.intake.errors.reported',
}

/** What at most one of those who ask can get. */
function claimsOf({ method, request }: Told): readonly string[] {
  if (method !== 'Raise') return []
  const { requirement_id, origin_id } = request
  return [`requirement/${requirement_id}@0`, ...(origin_id ? [`origin ${origin_id}`] : [])]
}

/** The last word on each message: an answer stands, whatever was said before and after. */
function lastWords(told: readonly Told[]): ReadonlyMap<string, Told> {
  const words = new Map<string, Told>()
  for (const one of told) {
    const before = words.get(one.messageId)
    // Another content under an id that is taken says nothing of the first
    const reused = one.outcome.kind === 'refused' && one.outcome.code === 'id_reused'
    if (before?.outcome.kind === 'acknowledged' || (before && reused)) continue
    words.set(one.messageId, one)
  }
  return words
}

/** Where an event that is processed twice is recorded twice: each cause as often as the same fact stands under it. */
function effectsOf({ events }: LedgerFound, fits: (event: LedgerEvent) => boolean): readonly string[] {
  const counts = new Map<string, Map<string, number>>()
  for (const { causationId, type, stream, streamId } of events.filter(fits)) {
    const facts = counts.get(causationId) ?? new Map<string, number>()
    const fact = `${type} ${stream}/${streamId}`
    counts.set(causationId, facts.set(fact, (facts.get(fact) ?? 0) + 1))
  }
  return [...counts].flatMap(([cause, facts]) => Array.from({ length: Math.max(...facts.values()) }, () => cause))
}

function consumersOf({ ledgers, topics }: Found): Readonly<Record<string, ConsumerHistory>> {
  const of = (name: string): LedgerFound => {
    const found = ledgers.get(name)
    if (!found) throw new RangeError(`nothing was gathered of ${name}`)
    return found
  }
  const intake = new Set((topics[intakeTopic]?.partitions ?? []).flat().map(({ eventId }) => eventId))
  const opened = new Set(
    of('operations')
      .events.filter(({ type }) => openings.includes(type))
      .map(({ id }) => id),
  )
  const receipts = (name: string): ConsumerHistory => ({
    reads: [{ topic: intakeTopic }],
    effects: of(name).messages.filter((id) => intake.has(id)),
    parked: of(name).parked,
    poison: [],
  })
  return {
    // What was read is known by its id, in the transaction that holds what it did
    gateway: receipts('gateway'),
    operations: receipts('operations'),
    'operations (errors counted)': {
      reads: [{ topic: intakeTopic, types: ['rondo.intake.errors.reported'] }],
      effects: effectsOf(of('operations'), ({ type }) => type === 'rondo.operations.traffic.reported'),
    },
    requirements: {
      reads: [{ topic: topicOf('operations'), types: openings }],
      effects: effectsOf(of('requirements'), ({ causationId }) => opened.has(causationId)),
      parked: of('requirements').parked,
      poison: [],
    },
  }
}

const openings = ['rondo.operations.signal.opened', 'rondo.operations.incident.declared']

/** What was told and what is there, as the checker of all histories reads it. */
export function historyOf(told: readonly Told[], found: Found): History {
  const acknowledged: Acknowledged[] = []
  const refused: Refused[] = []
  const unknown: Unknown[] = []
  const intake: AcknowledgedIntake[] = []
  for (const [messageId, one] of lastWords(told)) {
    const { target: service, outcome, method } = one
    if (service === 'intake') continue
    if (outcome.kind === 'acknowledged') acknowledged.push({ messageId, service, claims: claimsOf(one) })
    else if (outcome.kind === 'refused') refused.push({ messageId, service, code: `${outcome.code} by ${method}` })
    else unknown.push({ messageId, service })
  }
  const seen = new Set<string>()
  for (const { target, method, outcome } of told) {
    if (target !== 'intake') continue
    for (const messageId of takenOf(outcome)) {
      if (!seen.has(messageId)) intake.push({ messageId, topic: intakeTopic, type: intakeTypes[method] ?? '', key: messageId })
      seen.add(messageId)
    }
  }
  return {
    acknowledged,
    refused,
    unknown,
    intake,
    ledgers: Object.fromEntries([...found.ledgers].map(([name, { events }]) => [name, events])),
    topics: found.topics,
    consumers: consumersOf(found),
    holdings: [...found.ledgers.values()].flatMap(({ holdings }) => holdings),
  }
}
