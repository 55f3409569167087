import type { Producer, TopicMessages } from 'kafkajs'
import { BusError, unavailable } from '../error.ts'
import type { Placed, Store, TopicFacts } from '../outbox.ts'
import type { Log } from '../port.ts'
import type { KafkaAdmin } from './admin.ts'
import { type KafkaClient, kafkajs, protocolError } from './client.ts'

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

const messagesOf = (records: readonly Placed[]): TopicMessages[] =>
  [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, own]) => ({
    topic,
    messages: own.map(({ partition, record: { key, value, headers } }) => ({
      partition,
      key,
      value: value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength),
      headers: { ...headers },
    })),
  }))

/**
 * Writes with an idempotent producer, acknowledged by all replicas in sync, one request at a time (the outbox sees to that).
 *
 * A producer that failed is never used again. The client takes back the sequence numbers of a request that it gave up on; if the broker
 * had stored it after all, the next request would carry the same numbers and be dropped as a duplicate, acknowledged.
 */
export class KafkaStore implements Store {
  readonly #client: KafkaClient
  readonly #admin: KafkaAdmin
  readonly #log: Log
  #connected: Promise<Producer> | undefined

  constructor(client: KafkaClient, admin: KafkaAdmin, log: Log) {
    this.#client = client
    this.#admin = admin
    this.#log = log
  }

  facts(topic: string, fresh: boolean): Promise<TopicFacts> {
    return this.#admin.facts(topic, fresh)
  }

  async write(records: readonly Placed[]): Promise<readonly bigint[]> {
    try {
      this.#connected ??= this.#connect()
      const sent = await (await this.#connected).sendBatch({ acks: -1, topicMessages: messagesOf(records) })
      const nexts = new Map(sent.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, BigInt(baseOffset ?? -1)]))
      return records.map(({ topic, partition }) => {
        const offset = nexts.get(`${topic}/${partition}`) ?? -1n
        nexts.set(`${topic}/${partition}`, offset + 1n)
        return offset
      })
    } catch (error) {
      await this.close()
      const type = protocolError(error)
      if (type !== undefined && tooLarge.has(type))
        throw new BusError('too_large', `the broker refuses the batch: ${type}`, {}, { cause: error })
      throw unavailable('the broker did not take the records', error)
    }
  }

  async close(): Promise<void> {
    const old = this.#connected
    this.#connected = undefined
    try {
      await (await old)?.disconnect()
    } catch (error) {
      this.#log('debug', 'a producer that had failed could not be closed', { error })
    }
  }

  async #connect(): Promise<Producer> {
    const producer = this.#client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs().Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    return producer
  }
}
