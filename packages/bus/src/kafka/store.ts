import type { Producer } from 'kafkajs'
import { BusError, unavailable } from '../error.ts'
import type { Placed, Store } from '../outbox.ts'
import type { Log } from '../port.ts'
import type { KafkaAdmin } from './admin.ts'
import { type KafkaClient, kafkajs, protocolError } from './client.ts'

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

export interface KafkaStore extends Store {
  close(): Promise<void>
}

/**
 * Writes with an idempotent producer, acknowledged by all replicas in sync, one request at a time (the outbox sees to that).
 *
 * A producer that failed is never used again. The client takes back the sequence numbers of a request that it gave up on; if the broker
 * had stored it after all, the next request would carry the same numbers and be dropped as a duplicate, acknowledged.
 */
export function createStore(client: KafkaClient, admin: KafkaAdmin, log: Log): KafkaStore {
  let connected: Promise<Producer> | undefined

  const connect = async (): Promise<Producer> => {
    const producer = client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs().Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    return producer
  }

  const drop = async (): Promise<void> => {
    const old = connected
    connected = undefined
    try {
      await (await old)?.disconnect()
    } catch (error) {
      log('debug', 'a producer that had failed could not be closed', { error })
    }
  }

  const write = async (records: readonly Placed[]): Promise<readonly bigint[]> => {
    const topicMessages = [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, own]) => ({
      topic,
      messages: own.map(({ partition, record: { key, value, headers } }) => ({
        partition,
        key,
        value: value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength),
        headers: { ...headers },
      })),
    }))
    connected ??= connect()
    const sent = await (await connected).sendBatch({ acks: -1, topicMessages })
    const nexts = new Map(sent.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, BigInt(baseOffset ?? -1)]))
    return records.map(({ topic, partition }) => {
      const offset = nexts.get(`${topic}/${partition}`) ?? -1n
      nexts.set(`${topic}/${partition}`, offset + 1n)
      return offset
    })
  }

  return {
    facts: admin.facts,
    async write(records) {
      try {
        return await write(records)
      } catch (error) {
        await drop()
        const type = protocolError(error)
        if (type !== undefined && tooLarge.has(type))
          throw new BusError('too_large', `the broker refuses the batch: ${type}`, {}, { cause: error })
        throw unavailable('the broker did not take the records', error)
      }
    },
    close: drop,
  }
}
