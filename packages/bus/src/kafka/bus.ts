import { randomUUID } from 'node:crypto'
import { BusError } from '../error.ts'
import { together } from '../gathered.ts'
import { Openness } from '../openness.ts'
import { Outbox } from '../outbox.ts'
import { type Bus, defaultPace, type Log, type Pace } from '../port.ts'
import { KafkaAdmin } from './admin.ts'
import { createClient, type KafkaConnection } from './client.ts'
import { KafkaMember } from './consumer.ts'
import { heartbeat_ms } from './membership.ts'
import { Newest } from './newest.ts'
import { fetchTopicIds } from './protocol.ts'
import { KafkaReader } from './reader.ts'
import { KafkaStore } from './store.ts'
import { Watch } from './watch.ts'

export interface KafkaBusOptions extends KafkaConnection {
  readonly pace?: Partial<Pace>
  readonly log?: Log
}

/** Below the broker's limit of a whole request (100 MB), and small enough to be retried without pain. */
const requestLimits = { bytes: 8 << 20, records: 5000 }

/** The bus on Kafka 2.8 or newer, through kafkajs. Nothing is connected before it is used. */
export function kafkaBus({ pace: given, log = () => undefined, ...connection }: KafkaBusOptions): Bus {
  const pace = { ...defaultPace, ...given }
  const client = createClient(connection, log)
  const admin = new KafkaAdmin(client)
  const newest = new Newest(client, admin)
  const topicIds = together((topics: readonly string[]) => fetchTopicIds(client, topics))
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
      return newest.of(topic, partition, most)
    },
    async bounds(topic) {
      open.check()
      return admin.bounds(topic)
    },
    async topicId(topic) {
      open.check()
      const id = await topicIds.find(topic)
      if (typeof id !== 'string') throw id ?? new BusError('unknown_topic', `there is no topic ${topic}`, { topic })
      return id
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
