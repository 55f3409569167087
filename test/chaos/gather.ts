import { kafkaBus } from '@rondo/bus'
import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import { allOf } from '../rig/records.ts'
import { asked } from './backends.ts'
import { services } from './drain.ts'

export interface Event {
  readonly position: number
  readonly id: string
  readonly stream: string
  readonly version: number
  readonly partition: number
  readonly previous: number
  readonly type: string
  readonly cause: string
}
export interface Message {
  readonly id: string
  readonly outcome: { readonly results?: readonly { readonly streamId: string; readonly version: number }[] }
}
export interface LedgerFound {
  readonly service: string
  readonly events: readonly Event[]
  readonly messages: readonly Message[]
  /** Of each stream, as the row that a writer compares with says. */
  readonly versions: ReadonlyMap<string, number>
  readonly parked: readonly { readonly key: string; readonly reason: string }[]
  readonly unfired: number
}
export interface RecordFound {
  readonly id: string
  /** The ledger's; of intake: none. */
  readonly position: number
  readonly partition: number
  readonly offset: number
}
export interface Found {
  readonly ledgers: readonly LedgerFound[]
  /** By topic. */
  readonly topics: ReadonlyMap<string, readonly RecordFound[]>
}

async function ledgerOf(database: string, service: string): Promise<LedgerFound> {
  const events = await asked<{ position: string; previous: string } & Omit<Event, 'position' | 'previous'>>(
    database,
    `select position, id, stream || '/' || stream_id as stream, version, partition, previous, type, causation_id as cause from ${service}.event order by position`,
  )
  const messages = await asked<{ id: string; outcome: Message['outcome'] }>(database, `select id, outcome from ${service}.message`)
  const streams = await asked<{ key: string; version: number }>(database, `select key, version from ${service}.stream`)
  const parked = await asked<{ key: string; reason: string }>(
    database,
    `select source || ' ' || key as key, reason from ${service}.parked_key`,
  )
  const [timers] = await asked<{ count: string }>(
    database,
    `select count(*) from ${service}.timer where fired_at is null and due < ${service}.instant(clock_timestamp() - interval '10 seconds')`,
  )
  return {
    service,
    events: events.map((event) => ({ ...event, position: Number(event.position), previous: Number(event.previous) })),
    messages,
    versions: new Map(streams.map(({ key, version }) => [key, version])),
    parked,
    unfired: Number(timers?.count ?? 0),
  }
}

/** All that ledgers and topics hold, read with the owner's eyes and from the first offset. */
export async function gathered(database: string, brokers: readonly string[]): Promise<Found> {
  const ledgers: LedgerFound[] = []
  for (const { name } of services) ledgers.push(await ledgerOf(database, name))
  const topics = new Map<string, readonly RecordFound[]>()
  for (const topic of [intakeTopic, ...services.map(({ name }) => topicOf(name))]) {
    const bus = kafkaBus({ brokers, clientId: 'chaos' })
    try {
      const partitions = await allOf(bus, topic)
      topics.set(
        topic,
        partitions.flat().map(({ headers, partition, offset }) => ({
          id: headers.ce_id ?? '',
          position: Number(headers.ce_position ?? 0),
          partition,
          offset: Number(offset),
        })),
      )
    } finally {
      await bus.close()
    }
  }
  return { ledgers, topics }
}
