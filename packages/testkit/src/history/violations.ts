export type * from './history.ts'

import { consumerViolations } from './consumers.ts'
import type { History, LedgerEvent, Violation } from './history.ts'
import { topicViolations } from './topics.ts'

const nameOf = ({ stream, streamId, version }: Pick<LedgerEvent, 'stream' | 'streamId' | 'version'>) => `${stream}/${streamId}@${version}`

/** Which promises the run has broken, in words; empty: it held them all, as far as the history tells. */
export function violations(history: History): readonly Violation[] {
  return [
    ...Object.entries(history.ledgers).flatMap(([service, events]) => ledgerViolations(service, events)),
    ...acknowledgedViolations(history),
    ...answerViolations(history),
    ...claimViolations(history),
    ...Object.keys(history.topics).flatMap((topic) => topicViolations(history, topic)),
    ...Object.keys(history.consumers).flatMap((consumer) => consumerViolations(history, consumer)),
    ...rebuiltViolations(history),
    ...timerViolations(history),
  ]
}

/** Positions without gaps, each event once, each stream's versions from 1 in the order of positions. */
function ledgerViolations(service: string, events: readonly LedgerEvent[]): readonly Violation[] {
  const found: Violation[] = []
  const versions = new Map<string, number>()
  const ids = new Map<string, LedgerEvent>()
  events.forEach((event, index) => {
    if (event.position !== index + 1)
      found.push({ promise: 1, what: `the ledger of ${service} holds position ${event.position} where ${index + 1} should be` })
    const same = ids.get(event.id)
    if (same) found.push({ promise: 1, what: `${service} holds the event ${event.id} twice: ${nameOf(same)} and ${nameOf(event)}` })
    ids.set(event.id, event)
    const key = `${event.stream}/${event.streamId}`
    const before = versions.get(key) ?? 0
    if (event.version <= before) found.push({ promise: 4, what: `${service} holds ${nameOf(event)} twice, or behind version ${before}` })
    else if (event.version !== before + 1)
      found.push({ promise: 1, what: `${service} holds ${nameOf(event)} behind version ${before}: versions between are missing` })
    versions.set(key, Math.max(before, event.version))
  })
  return found
}

/** By service, the events of each message or event that caused them. */
const causesOf = (ledgers: History['ledgers']) =>
  new Map(Object.entries(ledgers).map(([service, events]) => [service, Map.groupBy(events, ({ causationId }) => causationId)]))

function acknowledgedViolations({ acknowledged, refused = [], ledgers }: History): readonly Violation[] {
  const found: Violation[] = []
  const byId = new Map(Object.entries(ledgers).map(([service, events]) => [service, new Map(events.map((event) => [event.id, event]))]))
  const causes = causesOf(ledgers)
  for (const { messageId, service, events } of acknowledged) {
    if (events === undefined && !causes.get(service)?.has(messageId))
      found.push({ promise: 1, what: `${messageId} was acknowledged by ${service}, whose ledger holds nothing of it` })
    for (const event of events ?? []) {
      const stored = byId.get(service)?.get(event.id)
      if (!stored) found.push({ promise: 1, what: `${messageId} was acknowledged with ${nameOf(event)}, which ${service} does not hold` })
      else if (nameOf(stored) !== nameOf(event))
        found.push({ promise: 1, what: `${messageId} was acknowledged with ${nameOf(event)}, which ${service} holds as ${nameOf(stored)}` })
    }
  }
  for (const { messageId, service, code, records = [] } of refused) {
    const odd = causes
      .get(service)
      ?.get(messageId)
      ?.find(({ id }) => !records.includes(id))
    if (odd) found.push({ promise: 1, what: `${messageId} was refused (${code}), and ${service} holds ${nameOf(odd)} of it` })
  }
  return found
}

/** Whoever is told versions is told those that the message has left. */
function answerViolations({ acknowledged, ledgers }: History): readonly Violation[] {
  const causes = causesOf(ledgers)
  return acknowledged.flatMap(({ messageId, service, results }) => {
    const left = new Map(
      causes
        .get(service)
        ?.get(messageId)
        ?.map((event) => [event.streamId, event]),
    )
    return [...left.values()].flatMap((event): readonly Violation[] => {
      const told = results?.findLast(({ streamId }) => streamId === event.streamId)
      if (!results || told?.version === event.version) return []
      return [{ promise: 1, what: `${messageId} was answered with version ${told?.version}, and left ${nameOf(event)} in ${service}` }]
    })
  })
}

function claimViolations({ acknowledged, holdings = [] }: History): readonly Violation[] {
  const winners = new Map<string, Set<string>>()
  for (const { messageId, service, claims = [] } of acknowledged) {
    for (const claim of claims) {
      const name = `${claim} of ${service}`
      winners.set(name, (winners.get(name) ?? new Set()).add(messageId))
    }
  }
  const twice = [...winners].filter(([, messages]) => messages.size > 1)
  const held = holdings.filter(({ streamIds }) => new Set(streamIds).size > 1)
  return [
    ...twice.map(([claim, messages]) => ({ promise: 4 as const, what: `${claim} was given to ${[...messages].join(' and ')}` })),
    ...held.map(({ service, stream, name, value, streamIds }) => ({
      promise: 4 as const,
      what: `the unique key ${name} "${value}" of ${stream} in ${service} is held by ${streamIds.join(' and ')}`,
    })),
  ]
}

function rebuiltViolations({ rebuilt = [], restores = [] }: History): readonly Violation[] {
  const differing = rebuilt.filter(({ live, rebuilt: again }) => live !== again)
  return [
    ...differing.map(({ service, what, live, rebuilt: again }) => ({
      promise: 7 as const,
      what: `${what} of ${service} is ${live}, and ${again} when made again from its events`,
    })),
    ...restores.flatMap(({ service, noticed, diverged }) => [
      ...(noticed ? [] : [{ promise: 8 as const, what: `${service} did not notice that an older backup was restored` }]),
      ...(diverged.length > 0
        ? [{ promise: 8 as const, what: `${service} recorded another content at positions that were sent before: ${diverged.join(', ')}` }]
        : []),
    ]),
  ]
}

function timerViolations({ timers = [], ledgers }: History): readonly Violation[] {
  return timers.flatMap(({ service, id, events = 1, takenBackAt }): readonly Violation[] => {
    const fired = (ledgers[service] ?? []).filter(({ causationId }) => causationId === id)
    const late = takenBackAt === undefined ? undefined : fired.find(({ version }) => version > takenBackAt)
    if (late)
      return [{ promise: 9, what: `the timer ${id} of ${service} fired as ${nameOf(late)}, after it was taken back at ${takenBackAt}` }]
    if (fired.length === events || (takenBackAt !== undefined && fired.length === 0)) return []
    return [{ promise: 9, what: `the timer ${id} of ${service} made ${fired.length} events and should have made ${events}` }]
  })
}
