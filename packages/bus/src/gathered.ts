import { realClock } from './clock.ts'

/** Keys of one look-up, at most. */
const most = 5_000

interface Asking<Key, Value> {
  readonly keys: readonly Key[]
  readonly resolve: (found: ReadonlyMap<Key, Value>) => void
  readonly reject: (error: unknown) => void
}

/**
 * Look-ups of many callers in one: what is asked for in one turn, and while as many as may be are on their way, goes together in the next.
 * Nobody is answered by a look-up that had begun before it was asked for.
 */
export class Gathered<Key, Value> {
  readonly #turn: () => Promise<void>
  readonly #lookUp: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>
  readonly #atOnce: number
  #asking: Asking<Key, Value>[] = []
  #gathering = false
  #looking = 0

  /** `turn`: resolves when all that is ready has run. `atOnce`: how many look-ups may be on their way. */
  constructor(turn: () => Promise<void>, lookUp: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>, atOnce = 1) {
    this.#turn = turn
    this.#lookUp = lookUp
    this.#atOnce = atOnce
  }

  async find(key: Key): Promise<Value | undefined> {
    return (await this.findAll([key])).get(key)
  }

  /** What is found of them; perhaps more beside it, which others have asked for. */
  findAll(keys: readonly Key[]): Promise<ReadonlyMap<Key, Value>> {
    return new Promise((resolve, reject) => {
      this.#asking.push({ keys, resolve, reject })
      this.#gather()
    })
  }

  /** Those that asked first, as many as one look-up takes; at least one. */
  #take(): readonly Asking<Key, Value>[] {
    let keys = 0
    const beyond = this.#asking.findIndex((asked) => {
      keys += asked.keys.length
      return keys > most
    })
    return this.#asking.splice(0, beyond < 0 ? this.#asking.length : Math.max(beyond, 1))
  }

  #gather(): void {
    if (this.#gathering || this.#asking.length === 0 || this.#looking >= this.#atOnce) return
    this.#gathering = true
    void this.#turn().then(() => this.#look())
  }

  async #look(): Promise<void> {
    const asked = this.#take()
    this.#gathering = false
    this.#looking += 1
    this.#gather()
    try {
      const found = await this.#lookUp([...new Set(asked.flatMap(({ keys }) => keys))])
      for (const { resolve } of asked) resolve(found)
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
    this.#looking -= 1
    this.#gather()
  }
}

/** What is asked for in one turn goes together, and waits for none of those before it: one that hangs holds up nobody who asks later. */
export const together = <Key, Value>(lookUp: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>): Gathered<Key, Value> =>
  new Gathered(realClock.turn, lookUp, Number.POSITIVE_INFINITY)
