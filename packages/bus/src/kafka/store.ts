import { setTimeout as pause } from 'node:timers/promises'
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

/** What the broker says to who must not, or with what it does not know: the same again is answered the same. */
const final = /AUTHORIZATION|AUTHENTICATION|UNSUPPORTED|INVALID_TOPIC|INVALID_REQUIRED_ACKS/

/** Milliseconds after which a write is not tried again: longer than a dead leader's partitions take to find another one. */
const patience = 12_000
const pauseMost = 1000

/**
 * Writes acknowledged by all replicas in sync, one request at a time (the outbox sees to that). Each try goes through a producer that has
 * never failed and that does not try again by itself: kafkajs remembers which *brokers* have answered, so that a partition which moves, in
 * between, to a broker that has answered already is left out and acknowledged all the same; and a producer takes back the sequence
 * numbers of a request that it gave up on, so that its next request could be dropped as a duplicate of it. A try after a failure makes
 * duplicates, never gaps; nobody minds those.
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
    const end = performance.now() + patience
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#write(records)
      } catch (error) {
        await this.close()
        const type = protocolError(error)
        if (type !== undefined && tooLarge.has(type))
          throw new BusError('too_large', `the broker refuses the batch: ${type}`, {}, { cause: error })
        if (performance.now() > end || final.test(type ?? '')) throw unavailable('the broker did not take the records', error)
        this.#log('info', 'the broker did not take the records; they are sent again', { error, tries })
        await pause(Math.min(pauseMost, 100 * 2 ** tries))
      }
    }
  }

  async #write(records: readonly Placed[]): Promise<readonly bigint[]> {
    this.#connected ??= this.#connect()
    const sent = await (await this.#connected).sendBatch({ acks: -1, topicMessages: messagesOf(records) })
    const nexts = new Map(sent.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, BigInt(baseOffset ?? -1)]))
    // The client passes over partitions that it has not heard of (the topic has grown) and says nothing of it; a new producer asks anew
    const silent = records.find(({ topic, partition }) => !nexts.has(`${topic}/${partition}`))
    if (silent) throw new Error(`nothing was said of ${silent.topic}/${silent.partition}`)
    return records.map(({ topic, partition }) => {
      const offset = nexts.get(`${topic}/${partition}`) ?? -1n
      nexts.set(`${topic}/${partition}`, offset + 1n)
      return offset
    })
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
      idempotent: false,
      retry: { retries: 0 },
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs().Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    return producer
  }
}
