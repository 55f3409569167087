import { realClock } from '../clock.ts'
import { type Fetched, fetchOf } from './fetch.ts'
import { allOf, type Changes, FetchSession } from './fetch-session.ts'
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

type Asked = ReadonlyMap<Spot, bigint>

function isFor(kind: LaneKind, { end }: Spot, want: Want): boolean {
  const isBehind = end === undefined || want.next < end
  return kind === 'behind' ? isBehind && want.hasRoom : !isBehind && want.goesOn
}

/** One of two connections to a broker, and the one fetch that is on its way on it. */
export class Lane {
  readonly #reader: KafkaReader
  readonly #node: number
  readonly kind: LaneKind
  /** Of those who have read all there is nearly all want the same again and again. */
  readonly #session: FetchSession | undefined
  #asked: Asked = new Map()
  #giveUp: (() => void) | undefined
  #gathering: NodeJS.Timeout | undefined
  #isClosed = false
  #isRunning = false
  #fetches = 0

  constructor(reader: KafkaReader, node: number, kind: LaneKind) {
    this.#reader = reader
    this.#node = node
    this.kind = kind
    this.#session = kind === 'news' ? new FetchSession() : undefined
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
    const covers = ([spot, offset]: readonly [Spot, bigint]) => (this.#asked.get(spot) ?? offset + 1n) <= offset
    if (this.#isClosed || !this.#isRunning || [...this.#choose()].every(covers)) return
    if (this.#giveUp) this.#giveUp()
    // Not even sent yet
    else this.wake()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (!this.#isClosed) {
      const asked = this.#choose()
      if (asked.size === 0) break
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
  #choose(): Asked {
    const chosen = new Map<Spot, bigint>()
    this.#reader.eachSpotOf(this.#node, (spot) => {
      const first = this.#firstOf(spot)
      if (first) chosen.set(spot, first.next)
    })
    return chosen
  }

  #firstOf(spot: Spot): Want | undefined {
    let first: Want | undefined
    spot.wants.forEach((want) => {
      if (!isFor(this.kind, spot, want)) return
      if (!first || (this.kind === 'behind' ? want.asked < first.asked : want.next < first.next)) first = want
    })
    return first
  }

  /** Whether it has brought something. */
  async #fetch(asked: Asked): Promise<boolean> {
    this.#asked = asked
    this.#fetches += 1
    asked.forEach((offset, spot) => {
      for (const want of spot.wants) if (want.next === offset) want.asked = this.#fetches
    })
    const index = this.kind === 'news' ? 1 : 0
    const broker = await this.#reader.brokerOf(this.#node)
    const connection = await broker.connectionPool.getConnection(index)
    if (this.#isClosed) return false
    let isGivenUp = false
    const giveUp = () => {
      isGivenUp = true
      broker.connectionPool.abandon(index)
    }
    this.#giveUp = giveUp
    try {
      const wait = this.kind === 'news' ? newsWithin_ms : 0
      const send = (changes: Changes) => connection.send(fetchOf(changes, { wait, most: mostOfFetch, mostOfPartition }))
      const fetched = await (this.#session ? this.#session.fetch(asked, send) : send(allOf(asked)))
      this.#giveUp = undefined
      return fetched !== undefined && (await this.#arrived(asked, fetched))
    } catch (error) {
      this.#giveUp = undefined
      if (isGivenUp) return false
      // Whatever is still to come on it is for nobody
      broker.connectionPool.abandon(index)
      throw error
    }
  }

  /** Whether it has brought something. */
  async #arrived(asked: Asked, { partitions, errorCode }: Fetched): Promise<boolean> {
    if (errorCode !== 0) throw new Error(`broker ${this.#node} answers a fetch with error ${errorCode}`)
    const broughtNothing = partitions.every(({ records }) => records.length === 0)
    for (const fetched of partitions) {
      const spot = this.#reader.spotAt(fetched)
      const offset = spot && asked.get(spot)
      // Waited for only where there is something to wait for: of most partitions nothing comes
      const taking = spot && offset !== undefined && this.#reader.arrived(this.kind, spot, fetched, offset, broughtNothing)
      if (taking) await taking
    }
    // Who has come to the end, or fallen behind, is the other one's from now on
    this.#reader.wake(this.#node, this)
    return !broughtNothing
  }
}
