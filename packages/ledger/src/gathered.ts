/** Keys of one look-up, at most. */
const most = 5_000

interface Asking<Key, Value> {
  readonly key: Key
  readonly resolve: (value: Value | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Look-ups of many callers in one: what is asked for in one turn, and while a look-up is on its way, goes together in the next. Nobody is
 * answered by a look-up that had begun before it was asked for.
 */
export class Gathered<Key, Value> {
  readonly #turn: () => Promise<void>
  readonly #lookUp: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>
  #asking: Asking<Key, Value>[] = []
  #looking = false

  /** `turn`: resolves when all that is ready has run. */
  constructor(turn: () => Promise<void>, lookUp: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>) {
    this.#turn = turn
    this.#lookUp = lookUp
  }

  find(key: Key): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      this.#asking.push({ key, resolve, reject })
      if (!this.#looking) void this.#look()
    })
  }

  async #look(): Promise<void> {
    this.#looking = true
    for (await this.#turn(); this.#asking.length > 0; await this.#turn()) {
      const asked = this.#asking.splice(0, most)
      try {
        const found = await this.#lookUp([...new Set(asked.map(({ key }) => key))])
        for (const { key, resolve } of asked) resolve(found.get(key))
      } catch (error) {
        for (const { reject } of asked) reject(error)
      }
    }
    this.#looking = false
  }
}
