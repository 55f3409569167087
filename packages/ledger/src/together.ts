import { keyOf } from './storage.ts'
import type { FoundRows, Reading, Sought } from './store.ts'

interface Asking {
  readonly sought: Sought
  readonly resolve: (rows: FoundRows['rows']) => void
  readonly reject: (error: unknown) => void
}

/** What one caller asked for, in the order of the keys. */
function rowsOf({ keys, held }: Sought, from: number, { rows, holders }: FoundRows): FoundRows['rows'] {
  const wanted = new Set([...keys, ...holders.slice(from, from + held.length).flat()])
  return rows.filter(({ stream, id }) => wanted.has(keyOf(stream, id)))
}

/** Streams, by key or by what they hold: what is looked for at once, by whomever, is one query. */
export class Together {
  readonly #find: Reading['find']
  #asking: Asking[] = []

  constructor(find: Reading['find']) {
    this.#find = find
  }

  find(sought: Sought): Promise<FoundRows['rows']> {
    return new Promise((resolve, reject) => {
      if (this.#asking.length === 0) queueMicrotask(() => void this.#ask())
      this.#asking.push({ sought, resolve, reject })
    })
  }

  async #ask(): Promise<void> {
    const asked = this.#asking.splice(0)
    try {
      const keys = [...new Set(asked.flatMap(({ sought }) => sought.keys))]
      const found = await this.#find({ keys, held: asked.flatMap(({ sought }) => sought.held) })
      let from = 0
      for (const { sought, resolve } of asked) {
        resolve(rowsOf(sought, from, found))
        from += sought.held.length
      }
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }
}
