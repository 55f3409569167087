import { BusError } from '../error.ts'
import { Openness } from '../openness.ts'
import { Outbox } from '../outbox.ts'
import { type Bounds, type Bus, defaultPace, type Log, type Pace, type StoredHeaders } from '../port.ts'
import { KafkaAdmin } from './admin.ts'
import { createClient, type KafkaClient, type KafkaConnection } from './client.ts'
import { installCodecs } from './codec.ts'
import { KafkaMember } from './consumer.ts'
import { fetchFrom, fetchTopicId } from './protocol.ts'
import { storedRecord } from './record.ts'
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
      // A fetch gives whole batches, from before the offset on
      const messages = (await fetchFrom(client, topic, partition, at)).filter(({ offset }) => BigInt(offset) >= at)
      const end = messages.at(-1)
      if (end === undefined) break
      at = BigInt(end.offset) + 1n
      for (const message of messages) {
        if (message.isControlRecord === true) continue
        const { value: _, ...headers } = storedRecord(topic, partition, message)
        found.push(headers)
      }
    }
    if (found.length >= most || from === bounds.first) return found.slice(-most)
  }
}

/** The bus on Kafka 2.8 or newer, through kafkajs. Nothing is connected before it is used. */
export function kafkaBus({ pace: given, log = () => undefined, ...connection }: KafkaBusOptions): Bus {
  installCodecs()
  const pace = { ...defaultPace, ...given }
  const client = createClient(connection, log)
  const admin = new KafkaAdmin(client)
  const store = new KafkaStore(client, admin, log)
  const outbox = new Outbox(store, requestLimits)
  const open = new Openness()
  const watch = new Watch(pace.watch)

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
      const member = new KafkaMember({ client, admin, watch, pace, log }, options)
      open.add(member)
      await member.begin()
      return member
    },
    async close() {
      if (!(await open.close())) return
      await outbox.close()
      await store.close()
      await admin.close()
    },
  }
}
