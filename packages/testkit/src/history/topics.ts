import type { History, LedgerEvent, TopicRecord, Violation } from './history.ts'

const nameOf = (epoch: number, position: number, id: string) => `${epoch}/${position}/${id}`

/** Everything of the ledger is there, in its partition; what is there for the first time follows what was before it. */
export function topicViolations({ topics, ledgers, restores = [] }: History, topic: string): readonly Violation[] {
  const { service, partitions } = topics[topic] ?? { partitions: [] }
  if (service === undefined) return []
  const events = new Map((ledgers[service] ?? []).map((event) => [event.id, event]))
  const lost = new Set(
    restores
      .filter((one) => one.service === service)
      .flatMap(({ lost = [] }) => lost.map(({ id, position, epoch = 1 }) => nameOf(epoch, position, id))),
  )
  const isLost = ({ eventId, position = 0, epoch = 1 }: TopicRecord) => lost.has(nameOf(epoch, position, eventId))
  const left = partitions.map((records) => records.filter((one) => !isLost(one)))
  const seen = new Set(left.flat().map(({ eventId }) => eventId))
  const missing = [...events.values()].filter(({ id }) => !seen.has(id))
  return [
    ...missing.map(({ position, id }) => ({
      promise: 3 as const,
      what: `position ${position} of ${service} (${id}) never reached ${topic}`,
    })),
    ...left.flatMap((records, partition) => partitionViolations(`${topic}/${partition}`, partition, records, events)),
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
