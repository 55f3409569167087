import type { Restore } from '@rondo/testkit/promises'
import type { Broken } from './callers.ts'
import type { Found, Sent } from './gather.ts'
import type { Told } from './told.ts'

/** PostgreSQL went back to an older copy, Kafka kept what it had. */
export interface GoneBack {
  /** Milliseconds of this process's clock. */
  readonly at: number
  /** All processes went on meanwhile. */
  readonly running: boolean
  /** Where each ledger stood in the copy. */
  readonly heads: ReadonlyMap<string, number>
  /** All that was there just before. */
  readonly before: Found
  /** Those of whom others knew more than the copy, and that said so. */
  readonly noticed: ReadonlySet<string>
}

/** Those of whose events others know some that the copy does not have. */
export const behind = ({ heads, before }: Pick<GoneBack, 'heads' | 'before'>): readonly string[] =>
  [...before.ledgers].flatMap(([service, { events }]) => (events.length > (heads.get(service) ?? 0) ? [service] : []))

/** Messages that were acknowledged and whose events the copy does not have: the operator gave them up. */
export function takenBack(told: readonly Told[], { at, heads, before }: GoneBack): ReadonlySet<string> {
  const given = new Map(
    [...before.ledgers].map(([service, { events }]) => {
      const later = events.filter(({ position }) => position > (heads.get(service) ?? 0))
      return [service, new Set(later.map(({ causationId }) => causationId))]
    }),
  )
  const taken = told.filter(
    ({ outcome, ended, target, messageId }) => outcome.kind === 'acknowledged' && ended < at && given.get(target)?.has(messageId),
  )
  return new Set(taken.map(({ messageId }) => messageId))
}

/** What callers were told that still stands. Intake stands: Kafka has it. */
export function standing(told: readonly Told[], gone: GoneBack): readonly Told[] {
  const taken = takenBack(told, gone)
  return told.filter(({ messageId, ended }) => ended >= gone.at || !taken.has(messageId))
}

/** Sent of the history that was given up. */
const isVoid = ({ epoch, position }: Sent, now: number, head: number): boolean =>
  epoch !== undefined && position !== undefined && epoch < now && position > head

/** Without the records of the history that was given up. */
export function withoutVoid(found: Found, { heads }: GoneBack): Found {
  const topics = Object.entries(found.topics).map(([name, topic]) => {
    const { service = '' } = topic
    const now = found.ledgers.get(service)?.epoch ?? 1
    const partitions = topic.partitions.map((all) => all.filter((record) => !isVoid(record, now, heads.get(service) ?? 0)))
    return [name, { ...topic, partitions }] as const
  })
  return { ...found, topics: Object.fromEntries(topics) }
}

/**
 * What a consumer has read in both histories: the facts that a ledger records anew can have other ids (they come in another order), and
 * whoever has applied the one that was given up finds nothing to do in the other. Each such event counts as applied by its twin's cause.
 */
export function appliedByTwins(found: Found, gone: GoneBack, service: string, consumer: string): readonly string[] {
  const topic = Object.values(found.topics).find((one) => one.service === service)
  const now = found.ledgers.get(service)
  const head = gone.heads.get(service) ?? 0
  const causes = new Set(found.ledgers.get(consumer)?.events.map(({ causationId }) => causationId))
  const given = (topic?.partitions ?? []).flat().filter((record) => isVoid(record, now?.epoch ?? 1, head) && causes.has(record.eventId))
  const twins = new Set(given.map(({ key }) => key))
  return (now?.events ?? []).flatMap(({ id, position, stream, streamId }) =>
    position > head && !causes.has(id) && twins.has(`${stream}/${streamId}`) ? [id] : [],
  )
}

/** Positions that one epoch has sent with two contents. */
function diverged(found: Found, service: string): readonly number[] {
  const contents = new Map<string, string>()
  const topic = Object.values(found.topics).find((one) => one.service === service)
  return (topic?.partitions ?? []).flat().flatMap(({ epoch, position = 0, eventId }) => {
    const place = `${epoch}/${position}`
    const first = contents.get(place) ?? eventId
    contents.set(place, first)
    return first === eventId ? [] : [position]
  })
}

export const restoresOf = (found: Found, gone: GoneBack): readonly Restore[] =>
  behind(gone).map((service) => ({ service, noticed: gone.noticed.has(service), diverged: [...new Set(diverged(found, service))] }))

/** What the copy had is there as it was. */
export function keptOf(found: Found, { heads, before }: GoneBack): readonly Broken[] {
  return [...heads].flatMap(([service, head]) => {
    const now = found.ledgers.get(service)?.events ?? []
    const changed = (before.ledgers.get(service)?.events ?? []).slice(0, head).find(({ id }, index) => now[index]?.id !== id)
    if (!changed) return []
    return [{ promise: 'what the copy had is there after the restore', what: `${service}: position ${changed.position} is another event` }]
  })
}
