import { LRUCache } from 'lru-cache'
import type { Head } from './storage.ts'

/** Streams that are remembered, and characters of a state that is. */
const [mostHeads, mostCharacters] = [256, 8_000]

const absent = Symbol('not there')

/** Streams as this process has seen them last, those that were touched last: how they stand, or that they are not there. */
export class Heads {
  readonly #heads = new LRUCache<string, Head | typeof absent>({ max: mostHeads })

  /** Whether anything is known of it. */
  has(key: string): boolean {
    return this.#heads.has(key)
  }

  /** Undefined: it is not there, or nothing is known of it. */
  get(key: string): Head | undefined {
    const head = this.#heads.get(key)
    return head === absent ? undefined : head
  }

  /** `head`: undefined where it is not there. */
  keep(key: string, head: Head | undefined): void {
    if (head && !isWithin(head.state, mostCharacters)) this.#heads.delete(key)
    else this.#heads.set(key, head ?? absent)
  }

  forget(key: string): void {
    this.#heads.delete(key)
  }
}

/** Whether it takes at most so many characters, roughly; looks no further than that. */
function isWithin(value: unknown, most: number): boolean {
  let left = most
  const walk = (one: unknown): boolean => {
    left -= typeof one === 'string' ? one.length : 8
    if (left < 0 || typeof one !== 'object' || one === null) return left >= 0
    for (const [name, inner] of Object.entries(one)) {
      left -= name.length
      if (!walk(inner)) return false
    }
    return true
  }
  return walk(value)
}
