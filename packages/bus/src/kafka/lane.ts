import { realClock } from '../clock.ts'
import { type FetchPlace, fetchOf } from './fetch.ts'
import type { KafkaReader, Spot } from './reader.ts'
import { mostOfPartition, type Want } from './want.ts'

/**
 * `behind`: for those who know, or may think, that there is more, and have room for it. `news`: for those who have read all there is; their
 * fetch waits. What they have no room for when it comes is left out, and they are behind: so nobody's room ends a fetch that waits.
 */
export type LaneKind = 'behind' | 'news'

/** Milliseconds that a fetch waits for news. What is wanted beside it ends the wait. */
const newsWithin_ms = 5000
/** Milliseconds from a want until the fetch that waits without it is given up: what comes together is asked for together. */
const gather_ms = 10
/** Turns of the event loop in which what follows from news is handed to its writer, and by the writer to its database. */
const turnsFirst = 2
/** Bytes of one fetch. */
const mostOfFetch = 1 << 20

interface Asked extends FetchPlace {
  readonly spot: Spot
}

function isFor(kind: LaneKind, { end }: Spot, want: Want): boolean {
  const isBehind = end === undefined || want.next < end
  return kind === 'behind' ? isBehind && want.hasRoom : !isBehind && want.goesOn
}

/** One of two connections to a broker, and the one fetch that is on its way on it. */
export class Lane {
  readonly #reader: KafkaReader
  readonly #node: number
  readonly kind: LaneKind
  #asked: readonly Asked[] | undefined
  #giveUp: (() => void) | undefined
  #gathering: NodeJS.Timeout | undefined
  #isClosed = false
  #isRunning = false
  #fetches = 0

  constructor(reader: KafkaReader, node: number, kind: LaneKind) {
    this.#reader = reader
    this.#node = node
    this.kind = kind
  }

  /** Something is wanted that was not, or has room again. */
  wake(): void {
    if (this.#isClosed) return
    if (!this.#isRunning) void this.#run()
    else if (this.kind === 'news') this.#gathering ??= setTimeout(() => this.#gathered(), gather_ms)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#gathering)
    this.#giveUp?.()
  }

  /** What is wanted beside the fetch that waits ends it. */
  #gathered(): void {
    this.#gathering = undefined
    const covers = ({ spot, offset }: Asked) => this.#asked?.some((one) => one.spot === spot && one.offset <= offset)
    if (this.#isClosed || !this.#isRunning || this.#choose().every(covers)) return
    if (this.#giveUp) this.#giveUp()
    // Not even sent yet
    else this.wake()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (!this.#isClosed) {
      const asked = this.#choose()
      if (asked.length === 0) break
      try {
        const isNews = (await this.#fetch(asked)) && this.kind === 'news'
        // What has come is written first: whoever waits for it waits for this process, and not for the next news
        for (let turn = 0; isNews && turn < turnsFirst; turn += 1) await realClock.turn()
      } catch (error) {
        this.#reader.lost(this.#node, error)
      }
    }
    this.#isRunning = false
  }

  /** Of each partition one place: of those who are behind who was served longest ago, so that nobody waits for who has much to read. */
  #choose(): readonly Asked[] {
    const chosen: Asked[] = []
    for (const spot of this.#reader.spotsOf(this.#node)) {
      let first: Want | undefined
      for (const want of spot.wants) {
        if (!isFor(this.kind, spot, want)) continue
        if (!first || (this.kind === 'behind' ? want.asked < first.asked : want.next < first.next)) first = want
      }
      if (first) chosen.push({ spot, topic: spot.topic, partition: spot.partition, offset: first.next })
    }
    return chosen
  }

  /** Whether it has brought something. */
  async #fetch(asked: readonly Asked[]): Promise<boolean> {
    this.#asked = asked
    this.#fetches += 1
    for (const { spot, offset } of asked) for (const want of spot.wants) if (want.next === offset) want.asked = this.#fetches
    const index = this.kind === 'news' ? 1 : 0
    const broker = await this.#reader.brokerOf(this.#node)
    const connection = await broker.connectionPool.getConnection(index)
    if (this.#isClosed) return false
    let isGivenUp = false
    this.#giveUp = () => {
      isGivenUp = true
      broker.connectionPool.abandon(index)
    }
    try {
      const wait = this.kind === 'news' ? newsWithin_ms : 0
      const { partitions, errorCode } = await connection.send(fetchOf(asked, { wait, most: mostOfFetch, mostOfPartition }))
      this.#giveUp = undefined
      if (errorCode !== 0) throw new Error(`broker ${this.#node} answers a fetch with error ${errorCode}`)
      const broughtNothing = partitions.every(({ records }) => records.length === 0)
      const ofTopic = Map.groupBy(asked, ({ topic }) => topic)
      for (const fetched of partitions) {
        const place = ofTopic.get(fetched.topic)?.find(({ partition }) => partition === fetched.partition)
        // Waited for only where there is something to wait for: of most partitions nothing comes
        const taking = place && this.#reader.arrived(this.kind, place.spot, fetched, place.offset, broughtNothing)
        if (taking) await taking
      }
      // Who has come to the end, or fallen behind, is the other one's from now on
      this.#reader.wake(this.#node, this)
      return !broughtNothing
    } catch (error) {
      this.#giveUp = undefined
      if (isGivenUp) return false
      // Whatever is still to come on it is for nobody
      broker.connectionPool.abandon(index)
      throw error
    }
  }
}
