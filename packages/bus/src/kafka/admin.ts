import { setTimeout as pause } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { BusError, unavailable } from '../error.ts'
import type { TopicFacts } from '../outbox.ts'
import type { Bounds, TopicSpec } from '../port.ts'
import { type KafkaClient, kafkajs, protocolError } from './client.ts'

const tries = 4
const factsAge_ms = 30_000

export interface KafkaAdmin {
  ensure(topics: readonly TopicSpec[]): Promise<void>
  bounds(topic: string): Promise<readonly Bounds[]>
  facts(topic: string, fresh: boolean): Promise<TopicFacts>
  close(): Promise<void>
}

const translated = (what: string, topic: string, error: unknown): BusError =>
  protocolError(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
    ? new BusError('unknown_topic', `there is no topic ${topic}`, { topic }, { cause: error })
    : unavailable(what, error)

/**
 * One connection for all that is asked about topics. After a failure it is made anew: the client does not find back by itself
 * to a broker whose address has changed.
 */
export function createAdmin(client: KafkaClient): KafkaAdmin {
  let connected: Promise<Admin> | undefined
  const known = new Map<string, { readonly at: number; readonly facts: Promise<TopicFacts> }>()

  const connect = async (): Promise<Admin> => {
    const admin = client.admin()
    await admin.connect()
    return admin
  }

  const drop = async (): Promise<void> => {
    const old = connected
    connected = undefined
    await old?.then((admin) => admin.disconnect()).catch(() => undefined) // it had failed already: that is why it goes
  }

  const withAdmin = async <Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> => {
    for (let round = 1; ; round += 1) {
      try {
        connected ??= connect()
        return await work(await connected)
      } catch (error) {
        if (error instanceof BusError || protocolError(error) === 'UNKNOWN_TOPIC_OR_PARTITION') throw error
        await drop()
        if (round === tries) throw error
        await pause(100 * 2 ** round)
      }
    }
  }

  const partitionCounts = (names: readonly string[]): Promise<ReadonlyMap<string, number>> =>
    withAdmin(async (admin) => {
      const existing = new Set(await admin.listTopics())
      const wanted = names.filter((name) => existing.has(name))
      if (wanted.length === 0) return new Map()
      const { topics } = await admin.fetchTopicMetadata({ topics: wanted })
      return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
    })

  const create = (specs: readonly TopicSpec[]): Promise<void> =>
    withAdmin(async (admin) => {
      const topics = specs.map(({ name, partitions, retentionMs }) => ({
        topic: name,
        numPartitions: partitions,
        ...(retentionMs === undefined ? {} : { configEntries: [{ name: 'retention.ms', value: String(retentionMs) }] }),
      }))
      // False when somebody else was quicker; whether as we would have is seen afterwards.
      await admin.createTopics({ topics, waitForLeaders: true })
    })

  const askFacts = (topic: string): Promise<TopicFacts> =>
    withAdmin(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      const configNames = ['max.message.bytes']
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs().ConfigResourceTypes.TOPIC, name: topic, configNames }],
      })
      const limit = resources[0]?.configEntries.find(({ configName }) => configName === 'max.message.bytes')?.configValue
      return { partitions: topics[0]?.partitions.length ?? 0, maxBytes: Number(limit ?? 1_048_588) }
    })

  return {
    async ensure(specs) {
      try {
        const before = await partitionCounts(specs.map(({ name }) => name))
        const missing = specs.filter(({ name }) => !before.has(name))
        if (missing.length > 0) await create(missing)
        const after = missing.length > 0 ? await partitionCounts(specs.map(({ name }) => name)) : before
        for (const { name, partitions } of specs) {
          const has = after.get(name)
          if (has === partitions) continue
          const message = `topic ${name} has ${has} partitions, ${partitions} are wanted: keys would move; start a new partition plan instead`
          throw new BusError('partition_mismatch', message, { topic: name, has, wanted: partitions })
        }
      } catch (error) {
        throw unavailable('the topics could not be made sure of', error)
      }
    },
    async bounds(topic) {
      try {
        const offsets = await withAdmin((admin) => admin.fetchTopicOffsets(topic))
        return offsets
          .map(({ partition, low, high }) => ({ partition, first: BigInt(low), next: BigInt(high) }))
          .sort((one, other) => one.partition - other.partition)
      } catch (error) {
        throw translated(`the bounds of ${topic} could not be read`, topic, error)
      }
    },
    async facts(topic, fresh) {
      const cached = known.get(topic)
      if (cached !== undefined && !fresh && Date.now() - cached.at < factsAge_ms) return cached.facts
      const facts = askFacts(topic).catch((error) => {
        known.delete(topic)
        throw translated(`the limits of ${topic} could not be read`, topic, error)
      })
      known.set(topic, { at: Date.now(), facts })
      return facts
    },
    close: drop,
  }
}
