import { BusError } from '../error.ts'
import { createOutbox } from '../outbox.ts'
import { type Bus, type Consumer, defaultPace, type Log, type Pace } from '../port.ts'
import { createAdmin } from './admin.ts'
import { createClient, type KafkaConnection } from './client.ts'
import { installCodecs } from './codec.ts'
import { consumeKafka } from './consumer.ts'
import { fetchFrom, fetchTopicId } from './protocol.ts'
import { storedRecord } from './record.ts'
import { createStore } from './store.ts'

export interface KafkaBusOptions extends KafkaConnection {
  readonly pace?: Partial<Pace>
  readonly log?: Log
}

/** Below the broker's limit of a whole request (100 MB), and small enough to be retried without pain. */
const requestLimits = { bytes: 8 << 20, records: 5000 }

/** The bus on Kafka 2.8 or newer, through kafkajs. Nothing is connected before it is used. */
export function kafkaBus({ pace: given, log = () => undefined, ...connection }: KafkaBusOptions): Bus {
  installCodecs()
  const pace = { ...defaultPace, ...given }
  const client = createClient(connection, log)
  const admin = createAdmin(client)
  const store = createStore(client, admin, log)
  const outbox = createOutbox(store, requestLimits)
  const consumers = new Set<Consumer>()
  let closed = false
  const whileOpen = () => {
    if (closed) throw new BusError('closed', 'the bus is closed')
  }

  return {
    async ensure(topics) {
      whileOpen()
      await admin.ensure(topics)
    },
    send: outbox.send,
    async bounds(topic) {
      whileOpen()
      return admin.bounds(topic)
    },
    async tail(topic, partition) {
      whileOpen()
      const bounds = (await admin.bounds(topic)).find((one) => one.partition === partition)
      if (bounds === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
      if (bounds.first === bounds.next) return undefined
      // The last offset may be a transaction's marker: look further and further back.
      for (let back = 1n; ; back *= 4n) {
        const from = back < bounds.next - bounds.first ? bounds.next - back : bounds.first
        const found = (await fetchFrom(client, topic, partition, from)).filter(({ isControlRecord }) => isControlRecord !== true).at(-1)
        if (found !== undefined) return storedRecord(topic, partition, found)
        if (from === bounds.first) return undefined
      }
    },
    async topicId(topic) {
      whileOpen()
      return fetchTopicId(client, topic)
    },
    async consume(options) {
      whileOpen()
      const consumer = await consumeKafka(client, admin, options, pace, log)
      const tracked: Consumer = {
        get paused() {
          return consumer.paused
        },
        resume: consumer.resume,
        async stop() {
          consumers.delete(tracked)
          await consumer.stop()
        },
      }
      consumers.add(tracked)
      return tracked
    },
    async close() {
      closed = true
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
      await outbox.close()
      await store.close()
      await admin.close()
    },
  }
}
