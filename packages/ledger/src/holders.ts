import { LRUCache } from 'lru-cache'
import { uniqueName } from './batch.ts'
import type { Changes } from './derived.ts'
import type { HeldBy, Sought } from './store.ts'
import { Trust } from './trust.ts'

type Held = Sought['held'][number]

/** Values that are remembered, and streams that may hold one of them. */
const [mostValues, mostIds] = [1_024, 16]

const none: readonly string[] = []
const kindOf = (asker: string, { stream, name }: Held): string => `${asker} ${stream}/${name}`

/** Which streams hold which values, as this process has found or written it last; what it has not seen is held by nobody, where that came true. */
export class Holders {
  readonly #seen = new Trust(true)
  readonly #unseen = new Trust(false)
  /** By value, those that were touched last: ids in their order. */
  readonly #ids = new LRUCache<string, readonly string[]>({ max: mostValues })

  /** Undefined: it is to be looked up. */
  guess(asker: string, held: Held): readonly string[] | undefined {
    const key = uniqueName(held)
    const ids = this.#ids.get(key)
    return (ids ? this.#seen : this.#unseen).has(kindOf(asker, held)) ? (ids ?? none) : undefined
  }

  /** Whether that is what would be guessed now. */
  isStill({ ids, ...held }: HeldBy): boolean {
    return same(this.#ids.peek(uniqueName(held)) ?? none, ids)
  }

  /** As a query has found it. */
  found(asker: string, held: Held, found: readonly string[]): void {
    const key = uniqueName(held)
    const ids = found.toSorted()
    const known = this.#ids.peek(key)
    ;(known ? this.#seen : this.#unseen).saw(kindOf(asker, held), same(known ?? none, ids))
    this.#keep(key, ids)
  }

  wrote({ keys, keys_gone }: Pick<Changes, 'keys' | 'keys_gone'>): void {
    for (const row of keys_gone) this.#change(row, (ids) => ids.filter((id) => id !== row.id))
    for (const row of keys) this.#change(row, (ids) => (ids.includes(row.id) ? ids : [...ids, row.id].sort()))
  }

  #change(row: Held, change: (ids: readonly string[]) => readonly string[]): void {
    const key = uniqueName(row)
    this.#keep(key, change(this.#ids.peek(key) ?? none))
  }

  #keep(key: string, ids: readonly string[]): void {
    if (ids.length > mostIds) this.#ids.delete(key)
    else this.#ids.set(key, ids)
  }
}

const same = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((id, index) => id === other[index])
