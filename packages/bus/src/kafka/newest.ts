import { asError, BusError } from '../error.ts'
import { type Gathered, together } from '../gathered.ts'
import type { StoredHeaders } from '../port.ts'
import type { KafkaAdmin } from './admin.ts'
import { type Chunk, chunkOf, type FetchedPartition } from './chunk.ts'
import type { KafkaClient } from './client.ts'
import { codeName, fetchOf, type TopicPartition } from './fetch.ts'
import { allOf } from './fetch-session.ts'
import { type Cluster, withCluster } from './protocol.ts'

/** From which offset on a partition is read. */
interface Place extends TopicPartition {
  readonly offset: bigint
}

const limits = { wait: 100, most: 4 << 20, mostOfPartition: 4 << 20 }

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** By its place what one fetch has brought, or why that cannot be read: one that cannot is no matter of the others. */
type Found = Map<Place, Chunk | Error>

async function taken(fetched: FetchedPartition | undefined, place: Place): Promise<Chunk | Error> {
  const { topic, partition, offset } = place
  if (fetched?.errorCode !== 0)
    return new BusError('unavailable', `${nameOf(place)} could not be read: ${codeName(fetched?.errorCode)}`, { topic, partition })
  return chunkOf(fetched, offset).catch(asError)
}

/** From which offset on each is fetched, at one broker. */
type Fetch = (offsets: ReadonlyMap<Place, bigint>) => Promise<{ readonly partitions: readonly FetchedPartition[] }>

/** An answer has room for some partitions: those of which it brings nothing are asked for again, until it brings nothing of any. */
export async function fetchAll(fetch: Fetch, places: readonly Place[], found: Found): Promise<void> {
  for (let left = places; left.length > 0; ) {
    const asked = [...new Map(left.map((place) => [nameOf(place), place])).values()]
    const { partitions } = await fetch(new Map(asked.map((place) => [place, place.offset])))
    const answers = new Map(partitions.map((fetched) => [nameOf(fetched), fetched]))
    const read = await Promise.all(asked.map(async (place) => [place, await taken(answers.get(nameOf(place)), place)] as const))
    const brought = read.filter(([{ offset }, chunk]) => chunk instanceof Error || chunk.next > offset)
    for (const [place, chunk] of brought.length > 0 ? brought : read) found.set(place, chunk)
    left = left.filter((place) => !found.has(place))
  }
}

const leaderOf = (cluster: Cluster, { topic, partition }: Place): number | undefined =>
  cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)?.leader

const fetchFrom = (client: KafkaClient, places: readonly Place[]): Promise<Found> =>
  withCluster(client, async (cluster) => {
    await cluster.addMultipleTargetTopics([...new Set(places.map(({ topic }) => topic))])
    const found: Found = new Map()
    for (const [leader, own] of Map.groupBy(places, (place) => leaderOf(cluster, place)))
      if (leader !== undefined) {
        const { connectionPool } = await cluster.findBroker({ nodeId: leader })
        await fetchAll((offsets) => connectionPool.send(fetchOf(allOf(offsets), limits)), own, found)
      }
    return found
  })

const hasNo = ({ topic, partition }: TopicPartition): BusError =>
  new BusError('partition_mismatch', `${topic} has no partition ${partition}`, { topic, partition })

/** The newest records of partitions. A process that starts asks for those of all its partitions at once: over one connection, and not one for each. */
export class Newest {
  readonly #admin: KafkaAdmin
  readonly #places: Gathered<Place, Chunk | Error>

  constructor(client: KafkaClient, admin: KafkaAdmin) {
    this.#admin = admin
    this.#places = together((places: readonly Place[]) => fetchFrom(client, places))
  }

  async of(topic: string, partition: number, most: number): Promise<readonly StoredHeaders[]> {
    const bounds = (await this.#admin.bounds(topic)).find((one) => one.partition === partition)
    if (bounds === undefined) throw hasNo({ topic, partition })
    // Some of the offsets may be markers of transactions: look further and further back
    for (let back = BigInt(most); ; back *= 4n) {
      const from = back < bounds.next - bounds.first ? bounds.next - back : bounds.first
      const found = await this.#between({ topic, partition, offset: from }, bounds.next)
      if (found.length >= most || from === bounds.first) return found.slice(-most)
    }
  }

  async #between(begin: Place, next: bigint): Promise<readonly StoredHeaders[]> {
    const found: StoredHeaders[] = []
    for (let place = begin; place.offset < next; ) {
      const chunk = await this.#places.find(place)
      if (!chunk || chunk instanceof Error) throw chunk ?? hasNo(place)
      for (const { value: _, ...headers } of chunk.records(place.offset)) found.push(headers)
      if (chunk.next === place.offset) break
      place = { ...place, offset: chunk.next }
    }
    return found
  }
}
