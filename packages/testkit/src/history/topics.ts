import type { History, LedgerEvent, TopicRecord, Violation } from './history.ts'

/** Everything of the ledger is there, in its partition; what is there for the first time follows what was before it. */
export function topicViolations({ topics, ledgers }: History, topic: string): readonly Violation[] {
  const { service, partitions } = topics[topic] ?? { partitions: [] }
  if (service === undefined) return []
  const events = new Map((ledgers[service] ?? []).map((event) => [event.id, event]))
  const seen = new Set(partitions.flat().map(({ eventId }) => eventId))
  const missing = [...events.values()].filter(({ id }) => !seen.has(id))
  return [
    ...missing.map(({ position, id }) => ({
      promise: 3 as const,
      what: `position ${position} of ${service} (${id}) never reached ${topic}`,
    })),
    ...partitions.flatMap((records, partition) => partitionViolations(`${topic}/${partition}`, partition, records, events)),
  ]
}

function partitionViolations(
  where: string,
  partition: number,
  records: readonly TopicRecord[],
  events: ReadonlyMap<string, LedgerEvent>,
): readonly Violation[] {
  const found: Violation[] = []
  const say = (what: string) => found.push({ promise: 3, what: `${where}: ${what}` })
  const seen = new Set<string>()
  let last = 0
  for (const { eventId, position, previous } of records) {
    const event = events.get(eventId)
    if (!event) {
      say(`the event ${eventId} is in no ledger`)
      continue
    }
    if (event.partition !== partition) say(`position ${event.position} belongs to partition ${event.partition}`)
    if (position !== undefined && position !== event.position) say(`says position ${position}, the ledger ${event.position}`)
    if (seen.has(eventId)) continue
    seen.add(eventId)
    if (event.position < last) say(`position ${event.position} comes for the first time behind ${last}`)
    else if (previous !== undefined && previous !== last)
      say(`position ${event.position} says that it follows ${previous}, and it follows ${last}`)
    last = Math.max(last, event.position)
  }
  return found
}
