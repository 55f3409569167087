import { setTimeout as pause } from 'node:timers/promises'
import { Coalesced } from '../coalesced.ts'
import { BusError } from '../error.ts'
import type { Log } from '../port.ts'
import { bounded } from '../time.ts'
import { chunkOf, type FetchedPartition } from './chunk.ts'
import { type KafkaClient, protocolError } from './client.ts'
import { codeName, moved, outOfRange, type TopicPartition } from './fetch.ts'
import { Lane, type LaneKind } from './lane.ts'
import { type Broker, type Cluster, openCluster } from './protocol.ts'
import { type Held, type Sink, Want } from './want.ts'

/** Looks for a leader after which those who want something of the partition are told. Each is later than the one before it. */
const looksMost = 8
const lookFirst_ms = 50
const lookMost_ms = 2000
const closeWithin_ms = 5000

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** A partition that somebody of this process reads. */
export class Spot implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly wants = new Set<Want>()
  /** The offset behind the last record that may be read, as was heard last. */
  end: bigint | undefined
  /** Who leads it; undefined: nobody known. */
  leader: number | undefined
  /** How often its leader was looked for since it was read. */
  looks = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  /** What is over is forgotten here, whoever asks. */
  get isWanted(): boolean {
    this.wants.forEach((want) => want.isOver && this.wants.delete(want))
    return this.wants.size > 0
  }
}

/**
 * What all members of the process read of Kafka, fetched and decoded once: for each broker one fetch that waits for news of all partitions
 * that are read to their end, and one for those who are behind (`lane.ts`). What comes is given to each who has come to it; who has something to
 * do is not waited for, and fetches later what it left out.
 */
export class KafkaReader {
  readonly #client: KafkaClient
  readonly #log: Log
  /** In the order in which they are asked for. */
  readonly #spots = new Map<string, Spot>()
  readonly #lanes = new Map<number, readonly Lane[]>()
  readonly #looking = new Coalesced(() => this.#lookForLeaders())
  #cluster: Promise<Cluster> | undefined
  #isClosed = false

  constructor(client: KafkaClient, log: Log) {
    this.#client = client
    this.#log = log
  }

  /** From now on the records from this offset on are given to the sink, until the want is ended. */
  want(topic: string, partition: number, from: bigint, sink: Sink, held: Held): Want {
    const spot = this.spotAt({ topic, partition }) ?? new Spot(topic, partition)
    this.#spots.set(keyOf(spot), spot)
    const want = new Want(from, sink, held, () => this.#wakeRoomy())
    spot.wants.add(want)
    this.#wake(spot)
    return want
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const lane of [...this.#lanes.values()].flat()) lane.close()
    await bounded(Promise.all([this.#dropCluster(), this.#looking.idle()]), closeWithin_ms)
  }

  spotAt(where: TopicPartition): Spot | undefined {
    return this.#spots.get(keyOf(where))
  }

  /** Goes through a broker's partitions, in the order in which they are asked for: before each fetch, so without an iterator's objects for each. */
  eachSpotOf(node: number, visit: (spot: Spot) => void): void {
    this.#spots.forEach((spot) => {
      if (spot.leader === node && spot.isWanted) visit(spot)
    })
  }

  /** Something of this broker is wanted that was not, or in another way. `by`: who knows already. */
  wake(node: number, by?: Lane): void {
    if (this.#isClosed) return
    for (const lane of this.#lanesOf(node)) if (lane !== by) lane.wake()
  }

  async brokerOf(node: number): Promise<Broker> {
    this.#cluster ??= openCluster(this.#client)
    return (await this.#cluster).brokerPool.findBroker({ nodeId: node })
  }

  /** What was asked of this broker was not answered: others may lead its partitions by now. */
  lost(node: number, error: unknown): void {
    if (this.#isClosed) return
    this.#log('debug', `broker ${node} does not answer a fetch`, { error })
    for (const spot of this.#spots.values()) if (spot.leader === node) spot.leader = undefined
    this.#looking.ask()
  }

  /**
   * What a fetch from `asked` on has brought of a partition; resolves when it is dealt out. `broughtNothing`: nor of any other one.
   */
  arrived(kind: LaneKind, spot: Spot, fetched: FetchedPartition, asked: bigint, broughtNothing: boolean): Promise<void> | undefined {
    if (fetched.errorCode !== 0) {
      this.#refused(spot, fetched.errorCode, asked)
      return undefined
    }
    spot.looks = 0
    // Where there should be more and nothing came it is waited for, instead of asked for again and again
    spot.end = broughtNothing ? asked : fetched.end
    return fetched.records.length > 0 ? this.#dealOut(kind, spot, fetched, asked) : undefined
  }

  async #dealOut(kind: LaneKind, spot: Spot, fetched: FetchedPartition, asked: bigint): Promise<void> {
    try {
      const chunk = await chunkOf(fetched, asked)
      const takers = [...spot.wants].filter((want) => want.fits(chunk, kind === 'behind' ? asked : undefined))
      if (takers.length > 1) chunk.share()
      for (const want of takers) want.take(chunk)
    } catch (error) {
      this.#fault(spot, error, asked)
    }
    // The others' turn
    this.#spots.delete(keyOf(spot))
    this.#spots.set(keyOf(spot), spot)
  }

  #refused(spot: Spot, code: number, asked: bigint): void {
    if (code === outOfRange) {
      for (const want of spot.wants) if (want.next === asked) want.break(() => want.sink.suspect())
    } else if (moved.has(code)) {
      spot.leader = undefined
      this.#looking.ask()
      if (spot.looks >= looksMost) this.#fault(spot, this.#unreadable(spot, codeName(code)))
    } else this.#fault(spot, this.#unreadable(spot, codeName(code)))
  }

  #unreadable({ topic, partition }: Spot, why: string): BusError {
    return new BusError('unavailable', `${topic}/${partition} could not be read: ${why}`, { topic, partition })
  }

  #fault({ wants }: Spot, error: unknown, asked?: bigint): void {
    for (const want of wants) if (asked === undefined || want.next === asked) want.break(() => want.sink.fault(error))
  }

  #wake(spot: Spot): void {
    if (this.#isClosed) return
    if (spot.leader === undefined) this.#looking.ask()
    else this.wake(spot.leader)
  }

  /** Where one partition of a member has room again others of it may have, too: who had none is behind. */
  #wakeRoomy(): void {
    if (!this.#isClosed) for (const lanes of this.#lanes.values()) for (const lane of lanes) if (lane.kind === 'behind') lane.wake()
  }

  #lanesOf(node: number): readonly Lane[] {
    const kinds: readonly LaneKind[] = ['behind', 'news']
    const lanes = this.#lanes.get(node) ?? kinds.map((kind) => new Lane(this, node, kind))
    this.#lanes.set(node, lanes)
    return lanes
  }

  /** Until each partition that is wanted has one, or those who want it were told. Never rejects. */
  async #lookForLeaders(): Promise<void> {
    const lost = () => [...this.#spots.values()].filter((spot) => spot.leader === undefined && spot.isWanted)
    const least = lost().reduce((least, { looks }) => Math.min(least, looks), looksMost)
    if (lost().length > 0 && least > 0) await pause(Math.min(lookMost_ms, lookFirst_ms * 2 ** least))
    for (const [topic, spots] of Map.groupBy(lost(), ({ topic }) => topic)) {
      if (this.#isClosed) return
      for (const spot of spots) spot.looks += 1
      try {
        await this.#askLeaders(topic, spots)
      } catch (error) {
        this.#notLed(topic, spots, error)
      }
    }
    if (lost().length > 0) this.#looking.ask()
  }

  /** One topic at a time: for one that is gone the client would tell nothing of the others. */
  async #askLeaders(topic: string, spots: readonly Spot[]): Promise<void> {
    this.#cluster ??= openCluster(this.#client)
    const cluster = await this.#cluster
    await cluster.brokerPool.refreshMetadata([topic])
    const leaders = new Map(cluster.findTopicPartitionMetadata(topic).map(({ partitionId, leader }) => [partitionId, leader]))
    for (const spot of spots) {
      const leader = leaders.get(spot.partition) ?? -1
      if (leader >= 0) spot.leader = leader
      this.#wake(spot)
    }
  }

  #notLed(topic: string, spots: readonly Spot[], error: unknown): void {
    this.#log('info', `the leaders of ${topic} could not be asked for; they are asked for again`, { error })
    const why = protocolError(error)
    // No broker has said so
    if (why === undefined) void this.#dropCluster()
    else for (const spot of spots) if (spot.looks >= looksMost) this.#fault(spot, this.#unreadable(spot, why))
  }

  async #dropCluster(): Promise<void> {
    const old = this.#cluster
    this.#cluster = undefined
    await old?.then((cluster) => cluster.disconnect()).catch(() => undefined) // it had failed already: that is why it goes
  }
}
