import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import type { Broken } from './callers.ts'
import type { Found, LedgerFound, RecordFound } from './gather.ts'
import type { Told } from './told.ts'

export interface Verdict {
  /** Messages that a caller was told are taken. */
  readonly acknowledged: number
  readonly lost: readonly string[]
  readonly twice: readonly string[]
  readonly broken: readonly Broken[]
}

const twiceIn = (ids: readonly string[]): readonly string[] => {
  const seen = new Set<string>()
  return ids.filter((id) => seen.has(id) || !seen.add(id))
}

function eventIds(answer: Readonly<Record<string, unknown>>): readonly string[] {
  const { results } = answer
  return Array.isArray(results) ? results.map((one: { event_id: string }) => one.event_id) : []
}

/** Each acknowledged ask stands in its ledger; each acknowledged intake event was read by the edge and by who acts on it. */
function lostOf(told: readonly Told[], found: Found): readonly string[] {
  const messages = new Map(found.ledgers.map(({ service, messages }) => [service, new Set(messages.map(({ id }) => id))]))
  const intake = new Set((found.topics.get(intakeTopic) ?? []).map(({ id }) => id))
  return told.flatMap(({ target, messageId, outcome }) => {
    if (outcome.kind !== 'acknowledged') return []
    if (target !== 'intake')
      return messages.get(target)?.has(messageId) ? [] : [`${messageId}: acknowledged, and ${target} does not know it`]
    return eventIds(outcome.answer).flatMap((id) => {
      if (!intake.has(id)) return [`${messageId}: acknowledged, and Kafka does not have ${id}`]
      return ['gateway', 'operations'].flatMap((service) =>
        messages.get(service)?.has(id) ? [] : [`${messageId}: ${service} has not read ${id}`],
      )
    })
  })
}

function ledgerFaults({ service, events, versions, parked, unfired }: LedgerFound): readonly Broken[] {
  const faults: Broken[] = []
  const say = (promise: string, what: string) => faults.push({ promise, what })
  events.forEach(({ position, id }, index) => {
    if (position !== index + 1) say('positions are gapless', `${service}: event ${id} has position ${position} and is number ${index + 1}`)
  })
  const last = new Map<string, number>()
  for (const { stream, version, id } of events) {
    const before = last.get(stream) ?? 0
    if (version !== before + 1)
      say('the events of a stream follow one another', `${service}: ${stream} has version ${version} after ${before} (${id})`)
    last.set(stream, version)
  }
  for (const [stream, version] of versions)
    if ((last.get(stream) ?? 0) !== version)
      say('the state stands where the events end', `${service}: ${stream} is at ${version}, its events at ${last.get(stream)}`)
  for (const { key, reason } of parked) say('nothing of this load is parked', `${service}: ${key}: ${reason}`)
  if (unfired > 0) say('a due timer fires', `${service}: ${unfired} are late`)
  return faults
}

function topicFaults({ service, events }: LedgerFound, records: readonly RecordFound[]): readonly Broken[] {
  const first = new Map<string, RecordFound>()
  for (const record of records.toSorted((one, other) => one.partition - other.partition || one.offset - other.offset))
    if (!first.has(record.id)) first.set(record.id, record)
  const faults: Broken[] = []
  const known = new Map(events.map((event) => [event.id, event]))
  for (const { id, position, partition } of events) {
    const there = first.get(id)
    if (!there) faults.push({ promise: 'every event reaches Kafka', what: `${topicOf(service)} lacks ${id} (position ${position})` })
    else if (there.partition !== partition || there.position !== position)
      faults.push({
        promise: 'every event reaches Kafka as it stands',
        what: `${id} is at ${there.partition}/${there.position}, not ${partition}/${position}`,
      })
  }
  for (const id of first.keys())
    if (!known.has(id)) faults.push({ promise: 'Kafka knows no more than the ledger', what: `${topicOf(service)} has ${id}` })
  const positions = new Map<number, number>()
  for (const { partition, position, id } of first.values()) {
    if (position <= (positions.get(partition) ?? 0))
      faults.push({
        promise: 'first occurrences in order',
        what: `${topicOf(service)}/${partition}: ${id} (${position}) after ${positions.get(partition)}`,
      })
    positions.set(partition, position)
  }
  return faults
}

export function verdictOf(told: readonly Told[], found: Found, seen: readonly Broken[]): Verdict {
  const acknowledged = new Set(told.flatMap(({ outcome, messageId }) => (outcome.kind === 'acknowledged' ? [messageId] : [])))
  const defects = told.flatMap(({ outcome, messageId, method }) =>
    outcome.kind === 'refused' && outcome.code === 'internal'
      ? [{ promise: 'no caller meets a defect', what: `${method} ${messageId}: ${outcome.message}` }]
      : [],
  )
  return {
    acknowledged: acknowledged.size,
    lost: [...new Set(lostOf(told, found))],
    twice: found.ledgers.flatMap(({ service, events }) => twiceIn(events.map(({ id }) => id)).map((id) => `${service} has ${id} twice`)),
    broken: [
      ...seen,
      ...defects,
      ...found.ledgers.flatMap(ledgerFaults),
      ...found.ledgers.flatMap((ledger) => topicFaults(ledger, found.topics.get(topicOf(ledger.service)) ?? [])),
    ],
  }
}
