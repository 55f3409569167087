import { randomUUID } from 'node:crypto'
import { BusError } from '../error.ts'
import { Openness } from '../openness.ts'
import { Outbox } from '../outbox.ts'
import { type Bounds, type Bus, defaultPace, type Log, type Pace, type StoredHeaders } from '../port.ts'
import { KafkaAdmin } from './admin.ts'
import { createClient, type KafkaClient, type KafkaConnection } from './client.ts'
import { KafkaMember } from './consumer.ts'
import { heartbeat_ms } from './membership.ts'
import { fetchFrom, fetchTopicId } from './protocol.ts'
import { KafkaReader } from './reader.ts'
import { KafkaStore } from './store.ts'
import { Watch } from './watch.ts'

export interface KafkaBusOptions extends KafkaConnection {
  readonly pace?: Partial<Pace>
  readonly log?: Log
}

/** Below the broker's limit of a whole request (100 MB), and small enough to be retried without pain. */
const requestLimits = { bytes: 8 << 20, records: 5000 }

async function boundsOf(admin: KafkaAdmin, topic: string, partition: number): Promise<Bounds> {
  const bounds = (await admin.bounds(topic)).find((one) => one.partition === partition)
  if (bounds === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
  return bounds
}

async function lastOf(client: KafkaClient, admin: KafkaAdmin, topic: string, partition: number, most: number) {
  const bounds = await boundsOf(admin, topic, partition)
  // Some of the offsets may be markers of transactions: look further and further back
  for (let back = BigInt(most); ; back *= 4n) {
    const from = back < bounds.next - bounds.first ? bounds.next - back : bounds.first
    const found: StoredHeaders[] = []
    for (let at = from; at < bounds.next; ) {
      const chunk = await fetchFrom(client, topic, partition, at)
      for (const { value: _, ...headers } of chunk.records(at)) found.push(headers)
      if (chunk.next === at) break
      at = chunk.next
    }
    if (found.length >= most || from === bounds.first) return found.slice(-most)
  }
}

/** The bus on Kafka 2.8 or newer, through kafkajs. Nothing is connected before it is used. */
export function kafkaBus({ pace: given, log = () => undefined, ...connection }: KafkaBusOptions): Bus {
  const pace = { ...defaultPace, ...given }
  const client = createClient(connection, log)
  const admin = new KafkaAdmin(client)
  const store = new KafkaStore(client, admin, log)
  const outbox = new Outbox(store, requestLimits)
  const open = new Openness()
  const reader = new KafkaReader(client, log)
  const parts = { client, admin, reader, process: randomUUID(), watch: new Watch(pace.watch), beats: new Watch(heartbeat_ms), pace, log }

  return {
    async ensure(topics) {
      open.check()
      await admin.ensure(topics)
    },
    send: (topic, records) => outbox.send(topic, records),
    async limit(topic) {
      open.check()
      return outbox.limit(topic)
    },
    async last(topic, partition, most) {
      open.check()
      return lastOf(client, admin, topic, partition, most)
    },
    async bounds(topic) {
      open.check()
      return admin.bounds(topic)
    },
    async topicId(topic) {
      open.check()
      return fetchTopicId(client, topic)
    },
    async consume(options) {
      open.check()
      const member = new KafkaMember(parts, options)
      open.add(member)
      await member.begin()
      return member
    },
    async close() {
      if (!(await open.close())) return
      await reader.close()
      await outbox.close()
      await store.close()
      await admin.close()
    },
  }
}
