import type { Fetched, TopicPartition } from './fetch.ts'

/** From which offset on something of a partition is wanted. */
export type Places = ReadonlyMap<TopicPartition, bigint>

/** What is said of the places that are wanted. */
export interface Changes {
  readonly session: number
  readonly epoch: number
  /** New, or at another offset than before; all of them where the session begins. */
  readonly changed: Places
  readonly gone: readonly TopicPartition[]
}

const nothing: Places = new Map()
/** No session: each fetch says all that it wants. */
export const allOf = (places: Places): Changes => ({ session: 0, epoch: -1, changed: places, gone: [] })

/** https://kafka.apache.org/protocol#protocol_error_codes: the broker has forgotten it, or has heard another fetch of it than this one was told of. */
const over: ReadonlySet<number> = new Set([70, 71])

/** So many fetches, then from 1 again. */
const mostEpochs = 0x7fffffff

/**
 * What a broker remembers of the fetches of one connection, so that each says only what has changed since the one before it, and is answered
 * with what there is and not with all there might be (KIP-227). A broker that gives no session is told all each time.
 */
export class FetchSession {
  #id = 0
  /** Of the next fetch; 0 begins a session. */
  #epoch = 0
  #places = nothing

  /**
   * One fetch, of so much as has changed; undefined where the broker says that the session is over: the next one begins another. Rejects as
   * `send` does. Where that leaves open what the broker has heard it begins anew, too, and ends the old one by that: else a place that was
   * told of by a fetch that got lost would never be told of again.
   */
  async fetch(places: Places, send: (changes: Changes) => Promise<Fetched>): Promise<Fetched | undefined> {
    const changes = this.#next(places)
    const epoch = this.#epoch
    this.#epoch = 0
    const fetched = await send(changes)
    if (over.has(fetched.errorCode)) return undefined
    if (fetched.errorCode !== 0) return fetched
    this.#id = fetched.session
    if (fetched.session !== 0) this.#epoch = (epoch % mostEpochs) + 1
    return fetched
  }

  #next(places: Places): Changes {
    const before = this.#epoch === 0 ? nothing : this.#places
    const changed = new Map<TopicPartition, bigint>()
    places.forEach((offset, where) => {
      if (before.get(where) !== offset) changed.set(where, offset)
    })
    const gone: TopicPartition[] = []
    before.forEach((_, where) => {
      if (!places.has(where)) gone.push(where)
    })
    this.#places = places
    return { session: this.#id, epoch: this.#epoch, changed, gone }
  }
}
