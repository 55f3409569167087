import { BusError } from '../error.ts'
import type { Bounds } from '../port.ts'
import type { KafkaClient } from './client.ts'

/*
 * Things the client can do but does not offer: fetch a record by its offset without a group, ask for a topic's id, and for the ends of several
 * topics at once. They go through the cluster object that its producer and consumer use (so through the same brokers, TLS and SASL). It is private to
 * kafkajs 2.2.4, whose version is pinned; nothing else in Rondo reaches into it.
 */

interface RawMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly encodedHeaders?: Buffer
  readonly headers?: object
  readonly isControlRecord?: boolean
}

interface FetchRequest {
  readonly maxWaitTime: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolationLevel: 0 | 1
  readonly topics: readonly { topic: string; partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[] }[]
}

interface Broker {
  readonly connectionPool: {
    send(exchange: {
      request: object
      response: { decode(raw: Buffer): Promise<object>; parse(data: object): Promise<object> }
    }): Promise<object>
  }
  fetch(request: FetchRequest): Promise<{ responses: readonly { partitions: readonly { messages: readonly RawMessage[] }[] }[] }>
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
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[]
  fetchTopicsOffset(
    topics: readonly (TopicOffsets<{ readonly partition: number }> & { readonly fromBeginning: boolean })[],
  ): Promise<readonly TopicOffsets<{ readonly partition: number; readonly offset: string }>[]>
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>
  findBroker(which: { nodeId: string }): Promise<Broker>
  /** The broker it connected to first. */
  readonly brokerPool: { readonly seedBroker: Broker }
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

async function withCluster<Result>(client: KafkaClient, work: (cluster: Cluster) => Promise<Result>): Promise<Result> {
  const cluster = await openCluster(client)
  try {
    return await work(cluster)
  } finally {
    await cluster.disconnect()
  }
}

/** The records from the offset on, as many as one fetch brings; control records too. */
export function fetchFrom(client: KafkaClient, topic: string, partition: number, offset: bigint): Promise<readonly RawMessage[]> {
  return withCluster(client, async (cluster) => {
    await cluster.addTargetTopic(topic)
    const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0]
    if (leader === undefined) throw new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })
    const broker = await cluster.findBroker({ nodeId: leader })
    const { responses } = await broker.fetch({
      maxWaitTime: 100,
      minBytes: 1,
      maxBytes: 4 << 20,
      isolationLevel: 1,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: 4 << 20 }] }],
    })
    return responses.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => messages))
  })
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

export async function fetchTopicId(client: KafkaClient, topic: string): Promise<string> {
  const bytes = encodeMetadataRequest(topic)
  const request = { ...metadata, encode: async () => ({ buf: bytes, buffer: bytes }) }
  const response = { decode: async (raw: Buffer) => decodeTopicId(raw), parse: async (data: object) => data }
  const answer = await withCluster(client, ({ brokerPool }) => brokerPool.seedBroker.connectionPool.send({ request, response }))
  const { errorCode, id } = answer as ReturnType<typeof decodeTopicId>
  if (errorCode === unknownTopic) throw new BusError('unknown_topic', `there is no topic ${topic}`, { topic })
  if (errorCode !== 0)
    throw new BusError('unavailable', `the broker answers error ${errorCode} for the topic ${topic}`, { topic, errorCode })
  return id
}
