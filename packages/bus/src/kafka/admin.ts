import { setTimeout as pause } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { BusError, unavailable } from '../error.ts'
import { together } from '../gathered.ts'
import type { TopicFacts } from '../outbox.ts'
import type { Bounds, TopicSpec } from '../port.ts'
import { type KafkaClient, kafkajs, protocolError } from './client.ts'
import { type Cluster, fetchBounds, openCluster } from './protocol.ts'

const tries = 5
const factsAge_ms = 30_000

const isUnknown = (error: unknown): boolean => protocolError(error) === 'UNKNOWN_TOPIC_OR_PARTITION'

const translated = (what: string, topic: string, error: unknown): BusError =>
  isUnknown(error) ? new BusError('unknown_topic', `there is no topic ${topic}`, { topic }, { cause: error }) : unavailable(what, error)

/**
 * One connection for all that is asked about topics. After a failure it is made anew: the client does not find back by itself
 * to a broker whose address has changed.
 */
export class KafkaAdmin {
  readonly #client: KafkaClient
  readonly #known = new Map<string, { readonly at: number; readonly facts: Promise<TopicFacts> }>()
  readonly #ends = together((topics: readonly string[]) => this.#boundsTogether(topics))
  #connected: Promise<Admin> | undefined
  #cluster: Promise<Cluster> | undefined

  constructor(client: KafkaClient) {
    this.#client = client
  }

  async ensure(specs: readonly TopicSpec[]): Promise<void> {
    try {
      const names = specs.map(({ name }) => name)
      const before = await this.#partitionCounts(names)
      const missing = specs.filter(({ name }) => !before.has(name))
      if (missing.length > 0) await this.#create(missing)
      const small = specs.filter(({ name, partitions }) => (before.get(name) ?? partitions) < partitions)
      if (small.length > 0) await this.#grow(small)
      const after = missing.length + small.length > 0 ? await this.#partitionCounts(names, true) : before
      for (const { name, partitions } of specs) {
        const has = after.get(name)
        if (has === partitions) continue
        const message = `topic ${name} has ${has} partitions, ${partitions} are wanted: it can only grow`
        throw new BusError('partition_mismatch', message, { topic: name, has, wanted: partitions })
      }
    } catch (error) {
      throw unavailable('the topics could not be made sure of', error)
    }
  }

  /** Who asks in one turn is answered together, nobody by what was asked of the broker before. */
  async bounds(topic: string): Promise<readonly Bounds[]> {
    return (await this.#ends.find(topic)) ?? this.#bounds(topic)
  }

  /** None where that fails, whatever for: then each topic is asked for by itself, which tries again and says what is wrong with it. */
  async #boundsTogether(topics: readonly string[]): ReturnType<typeof fetchBounds> {
    try {
      this.#cluster ??= openCluster(this.#client)
      return await fetchBounds(await this.#cluster, topics)
    } catch {
      await this.#dropCluster()
      return new Map()
    }
  }

  async #dropCluster(): Promise<void> {
    const old = this.#cluster
    this.#cluster = undefined
    await old?.then((cluster) => cluster.disconnect()).catch(() => undefined) // it had failed already: that is why it goes
  }

  async #bounds(topic: string): Promise<readonly Bounds[]> {
    try {
      const offsets = await this.#with((admin) => admin.fetchTopicOffsets(topic))
      return offsets
        .map(({ partition, low, high }) => ({ partition, first: BigInt(low), next: BigInt(high) }))
        .sort((one, other) => one.partition - other.partition)
    } catch (error) {
      throw translated(`the bounds of ${topic} could not be read`, topic, error)
    }
  }

  /** Kept for half a minute, unless `fresh`. */
  facts(topic: string, fresh: boolean): Promise<TopicFacts> {
    const cached = this.#known.get(topic)
    if (cached !== undefined && !fresh && Date.now() - cached.at < factsAge_ms) return cached.facts
    const facts = this.#askFacts(topic).catch((error) => {
      this.#known.delete(topic)
      throw translated(`the limits of ${topic} could not be read`, topic, error)
    })
    this.#known.set(topic, { at: Date.now(), facts })
    return facts
  }

  async close(): Promise<void> {
    await Promise.all([this.#drop(), this.#dropCluster()])
  }

  async #connect(): Promise<Admin> {
    const admin = this.#client.admin()
    await admin.connect()
    return admin
  }

  async #drop(): Promise<void> {
    const old = this.#connected
    this.#connected = undefined
    await old?.then((admin) => admin.disconnect()).catch(() => undefined) // it had failed already: that is why it goes
  }

  /** The client itself has tried for five seconds: where it finds nobody, that is told. */
  async #admin(): Promise<Admin> {
    this.#connected ??= this.#connect()
    try {
      return await this.#connected
    } catch (error) {
      await this.#drop()
      throw error
    }
  }

  /** `settling`: a topic made just now may be unknown to the next broker asked. */
  async #with<Result>(work: (admin: Admin) => Promise<Result>, settling = false): Promise<Result> {
    for (let round = 1; ; round += 1) {
      const admin = await this.#admin()
      try {
        return await work(admin)
      } catch (error) {
        if (error instanceof BusError || (isUnknown(error) && !settling)) throw error
        await this.#drop()
        if (round === tries) throw error
        await pause(100 * 2 ** round)
      }
    }
  }

  #partitionCounts(names: readonly string[], settling = false): Promise<ReadonlyMap<string, number>> {
    return this.#with(async (admin) => {
      const existing = new Set(await admin.listTopics())
      const wanted = names.filter((name) => existing.has(name))
      // Another broker made them, and this one has not heard of it yet
      if (settling && wanted.length < names.length) throw new Error('the topics made just now are not known everywhere yet')
      if (wanted.length === 0) return new Map()
      const { topics } = await admin.fetchTopicMetadata({ topics: wanted })
      return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
    }, settling)
  }

  #create(specs: readonly TopicSpec[]): Promise<void> {
    const topics = specs.map(({ name, partitions, retentionMs }) => ({
      topic: name,
      numPartitions: partitions,
      ...(retentionMs === undefined ? {} : { configEntries: [{ name: 'retention.ms', value: String(retentionMs) }] }),
    }))
    return this.#with(async (admin) => {
      // False when somebody else was quicker; whether as we would have is seen afterwards.
      await admin.createTopics({ topics, waitForLeaders: true })
    }, true)
  }

  /** Somebody else may be quicker; whether as we would have is seen afterwards. */
  #grow(specs: readonly TopicSpec[]): Promise<void> {
    const topicPartitions = specs.map(({ name, partitions }) => ({ topic: name, count: partitions }))
    return this.#with(async (admin) => {
      try {
        await admin.createPartitions({ topicPartitions })
      } catch (error) {
        if (protocolError(error) !== 'INVALID_PARTITIONS') throw error
      }
      for (const { name } of specs) this.#known.delete(name)
    }, true)
  }

  #askFacts(topic: string): Promise<TopicFacts> {
    const resource = { type: kafkajs().ConfigResourceTypes.TOPIC, name: topic, configNames: ['max.message.bytes'] }
    return this.#with(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
      const limit = resources[0]?.configEntries.find(({ configName }) => configName === 'max.message.bytes')?.configValue
      return { partitions: topics[0]?.partitions.length ?? 0, maxBytes: Number(limit ?? 1_048_588), setting: 'max.message.bytes' }
    })
  }
}
