import type { GroupMember, GroupMemberAssignment } from 'kafkajs'
import { BusError } from '../error.ts'
import type { Bounds } from '../port.ts'
import type { KafkaClient } from './client.ts'

/*
 * Things the client can do but does not offer: fetch records by their offset without a group, be in a group without fetching, ask for a topic's
 * id, and for the ends of several topics at once. They go through the cluster object that its producer and consumer use (so through the same brokers, TLS and SASL). It is private to
 * kafkajs 2.2.4, whose version is pinned; nothing else in Rondo reaches into it.
 */

/** A request and how its answer is read, as the client's connections take them. */
export interface Exchange<Answer> {
  readonly request: object
  readonly response: { decode(raw: Buffer): Promise<Answer>; parse(data: Answer): Promise<Answer> }
}

export interface Connection {
  send<Answer>(exchange: Exchange<Answer>): Promise<Answer>
}

interface OfMember {
  readonly groupId: string
  readonly memberId: string
}

interface OfGeneration extends OfMember {
  readonly groupGenerationId: number
}

export interface Broker {
  readonly connectionPool: {
    send<Answer>(exchange: Exchange<Answer>): Promise<Answer>
    /** There are two. What a broker is asked on one of them it answers in that order: behind what waits, the other one is used. */
    getConnection(index: 0 | 1): Promise<Connection>
    /** Gives up whatever is asked on it; who uses it next has a new one (our patch). */
    abandon(index: 0 | 1): void
  }
  joinGroup(
    request: OfMember & {
      readonly sessionTimeout: number
      readonly rebalanceTimeout: number
      readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[]
    },
  ): Promise<{ generationId: number; leaderId: string; memberId: string; members: readonly GroupMember[] }>
  syncGroup(
    request: OfMember & { readonly generationId: number; readonly groupAssignment: readonly GroupMemberAssignment[] },
  ): Promise<{ memberAssignment: Buffer }>
  heartbeat(request: OfGeneration): Promise<unknown>
  leaveGroup(request: OfMember): Promise<unknown>
  offsetCommit(
    request: OfGeneration & { readonly topics: readonly TopicOffsets<{ readonly partition: number; readonly offset: string }>[] },
  ): Promise<unknown>
}

interface TopicOffsets<Partition> {
  readonly topic: string
  readonly partitions: readonly Partition[]
}

export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>
  refreshMetadata(): Promise<void>
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number; readonly leader: number }[]
  fetchTopicsOffset(
    topics: readonly (TopicOffsets<{ readonly partition: number }> & { readonly fromBeginning: boolean })[],
  ): Promise<readonly TopicOffsets<{ readonly partition: number; readonly offset: string }>[]>
  findBroker(which: { nodeId: string | number }): Promise<Broker>
  findGroupCoordinator(which: { groupId: string }): Promise<Broker>
  readonly brokerPool: {
    /** The one that it connected to first. */
    readonly seedBroker: Broker
    /** As the cluster's, but for these topics alone. */
    refreshMetadata(topics: readonly string[]): Promise<void>
    /** As the cluster's, but asks nobody anew where that fails. */
    findBroker(which: { nodeId: number }): Promise<Broker>
  }
}

type CreateCluster = (options: { allowAutoTopicCreation: boolean; metadataMaxAge: number }) => Cluster

function createCluster(client: KafkaClient): Cluster {
  const symbol = Object.getOwnPropertySymbols(client).find(({ description }) => description === 'private:Kafka:createCluster')
  const create = symbol === undefined ? undefined : (Object.getOwnPropertyDescriptor(client, symbol)?.value as CreateCluster | undefined)
  if (create === undefined) throw new BusError('unavailable', 'this kafkajs is not the 2.2.4 that the adapter was written for')
  return create({ allowAutoTopicCreation: false, metadataMaxAge: 300_000 })
}

export async function openCluster(client: KafkaClient): Promise<Cluster> {
  const cluster = createCluster(client)
  await cluster.connect()
  return cluster
}

/** Its connections are closed after the work. */
export async function withCluster<Result>(client: KafkaClient, work: (cluster: Cluster) => Promise<Result>): Promise<Result> {
  const cluster = await openCluster(client)
  try {
    return await work(cluster)
  } finally {
    await cluster.disconnect()
  }
}

/** The ends of all partitions of the topics, as many as there are now: two requests to each broker for all of them. */
export async function fetchBounds(cluster: Cluster, topics: readonly string[]): Promise<ReadonlyMap<string, readonly Bounds[]>> {
  await cluster.addMultipleTargetTopics(topics)
  await cluster.refreshMetadata()
  const asked = topics.map((topic) => ({
    topic,
    partitions: cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId })),
  }))
  const ends = async (fromBeginning: boolean) => {
    const found = await cluster.fetchTopicsOffset(asked.map((one) => ({ ...one, fromBeginning })))
    return new Map(
      found.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => [`${topic}/${partition}`, BigInt(offset)] as const),
      ),
    )
  }
  const [firsts, nexts] = await Promise.all([ends(true), ends(false)])
  const boundsOf = (topic: string, partition: number): Bounds => {
    const [first, next] = [firsts.get(`${topic}/${partition}`), nexts.get(`${topic}/${partition}`)]
    if (first === undefined || next === undefined)
      throw new BusError('unavailable', `nothing was said of the ends of ${topic}/${partition}`)
    return { partition, first, next }
  }
  return new Map(
    asked.map(({ topic, partitions }) => [
      topic,
      partitions.map(({ partition }) => boundsOf(topic, partition)).sort((one, other) => one.partition - other.partition),
    ]),
  )
}

// Metadata, version 10: the first that tells topic ids. https://kafka.apache.org/protocol#The_Messages_Metadata
const metadata = { apiKey: 3, apiVersion: 10, apiName: 'Metadata' }

/** Unsigned varint, as the "flexible" versions of the protocol write lengths. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

function encodeMetadataRequest(topic: string): Buffer {
  const name = Buffer.from(topic)
  const noTags = Buffer.from([0])
  const noId = Buffer.alloc(16)
  const flags = Buffer.from([0, 0, 0]) // create topics; authorized operations of the cluster, of the topics
  // The first empty tag section belongs to the request's header, which the client writes in its older form.
  return Buffer.concat([noTags, varint(2), noId, varint(name.length + 1), name, noTags, flags, noTags])
}

/** Reads up to the id of the only topic asked for. */
export function decodeTopicId(raw: Buffer): { errorCode: number; id: string } {
  let at = 0
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = raw.readUInt8(at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const skip = (bytes: number): void => {
    at += bytes
  }
  const skipString = (): void => skip(Math.max(number() - 1, 0))
  const skipTags = (): void => {
    for (let count = number(); count > 0; count -= 1) {
      number()
      skip(number())
    }
  }
  skipTags() // of the header
  skip(4) // throttle time
  for (let brokers = number() - 1; brokers > 0; brokers -= 1) {
    skip(4) // node id
    skipString() // host
    skip(4) // port
    skipString() // rack
    skipTags()
  }
  skipString() // cluster id
  skip(4) // controller
  if (number() !== 2) throw new BusError('unavailable', 'the broker did not answer for the one topic asked for')
  const errorCode = raw.readInt16BE(at)
  skip(2)
  skipString() // name
  const hex = raw.subarray(at, at + 16).toString('hex')
  return { errorCode, id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') }
}

const unknownTopic = 3

function topicIdOf(topic: string, { errorCode, id }: ReturnType<typeof decodeTopicId>): string | BusError {
  if (errorCode === 0) return id
  if (errorCode === unknownTopic) return new BusError('unknown_topic', `there is no topic ${topic}`, { topic })
  return new BusError('unavailable', `the broker answers error ${errorCode} for the topic ${topic}`, { topic, errorCode })
}

/** By the topic's name its id, or why there is none. */
export function fetchTopicIds(client: KafkaClient, topics: readonly string[]): Promise<ReadonlyMap<string, string | BusError>> {
  const response = {
    decode: async (raw: Buffer) => decodeTopicId(raw),
    parse: async (data: ReturnType<typeof decodeTopicId>) => data,
  }
  return withCluster(client, async ({ brokerPool }) => {
    const found = new Map<string, string | BusError>()
    for (const topic of topics) {
      const bytes = encodeMetadataRequest(topic)
      const request = { ...metadata, encode: async () => ({ buf: bytes, buffer: bytes }) }
      found.set(topic, topicIdOf(topic, await brokerPool.seedBroker.connectionPool.send({ request, response })))
    }
    return found
  })
}
