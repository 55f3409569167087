import { kafkaBus } from '@rondo/bus'
import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import type { Holding, LedgerEvent, TopicHistory } from '@rondo/testkit/promises'
import { allOf } from '../rig/records.ts'
import { asked } from './backends.ts'
import { services } from './drain.ts'

export interface LedgerFound {
  /** 1, and one more after each restore. */
  readonly epoch: number
  readonly events: readonly LedgerEvent[]
  /** Ids whose outcome is kept. */
  readonly messages: readonly string[]
  /** Of each stream (`stream/id`), as the row that a writer compares with says. */
  readonly versions: ReadonlyMap<string, number>
  readonly parked: readonly { readonly eventId: string; readonly key: string; readonly reason: string }[]
  readonly holdings: readonly Holding[]
}
/** A record of a topic, and in which epoch its relay sent it (intake: none). */
export type Sent = TopicHistory['partitions'][number][number] & { readonly epoch?: number }
interface TopicFound extends TopicHistory {
  readonly partitions: readonly (readonly Sent[])[]
}

export interface Found {
  /** By service. */
  readonly ledgers: ReadonlyMap<string, LedgerFound>
  /** By topic. */
  readonly topics: Readonly<Record<string, TopicFound>>
}

const eventsOf = `select position::int, id, stream, stream_id as "streamId", version, partition, type, causation_id as "causationId" from`

async function ledgerOf(database: string, service: string): Promise<LedgerFound> {
  const events = await asked<LedgerEvent & object>(database, `${eventsOf} ${service}.event order by position`)
  const messages = await asked<{ id: string }>(database, `select id from ${service}.message`)
  const streams = await asked<{ key: string; version: number }>(database, `select key, version from ${service}.stream`)
  const parked = await asked<{ eventId: string; key: string; reason: string }>(
    database,
    `select event->>'id' as "eventId", key, reason from ${service}.parked_record join ${service}.parked_key using (source, partition, key)`,
  )
  const held = await asked<Omit<Holding, 'service'> & object>(
    database,
    `select stream, name, value, array_agg(id) as "streamIds" from ${service}.stream_key where is_unique group by stream, name, value`,
  )
  const [head] = await asked<{ epoch: number }>(database, `select epoch from ${service}.head`)
  return {
    epoch: head?.epoch ?? 1,
    events,
    messages: messages.map(({ id }) => id),
    versions: new Map(streams.map(({ key, version }) => [key, version])),
    parked,
    holdings: held.map((one) => ({ service, ...one })),
  }
}

async function topicFound(brokers: readonly string[], topic: string, service: string | undefined): Promise<TopicFound> {
  const bus = kafkaBus({ brokers, clientId: 'chaos' })
  try {
    const bounds = await bus.bounds(topic)
    const partitions = new Map<number, readonly Sent[]>(bounds.map(({ partition }) => [partition, []]))
    for (const records of await allOf(bus, topic)) {
      const [first] = records
      if (!first) continue
      partitions.set(
        first.partition,
        records.map(({ key, headers: { ce_id = '', ce_position, ce_previous, ce_epoch } }) => ({
          eventId: ce_id,
          key,
          ...(ce_position === undefined
            ? {}
            : { position: Number(ce_position), previous: Number(ce_previous), epoch: Number(ce_epoch ?? 1) }),
        })),
      )
    }
    const inOrder = [...partitions].sort(([one], [other]) => one - other).map(([, records]) => records)
    return { partitions: inOrder, ...(service === undefined ? {} : { service }) }
  } finally {
    await bus.close()
  }
}

/** All that ledgers and topics hold, read with the owner's eyes and from the first offset. */
export async function gathered(database: string, brokers: readonly string[]): Promise<Found> {
  const ledgers = new Map<string, LedgerFound>()
  const topics: Record<string, TopicFound> = { [intakeTopic]: await topicFound(brokers, intakeTopic, undefined) }
  for (const { name } of services) {
    ledgers.set(name, await ledgerOf(database, name))
    topics[topicOf(name)] = await topicFound(brokers, topicOf(name), name)
  }
  return { ledgers, topics }
}
