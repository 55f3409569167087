import { uniqueName } from './batch.ts'
import { keyOf, type Seen } from './storage.ts'
import type { HeldBy, ReadRow } from './store.ts'

/** What reads were answered with that nobody has looked up: the append compares it, and nothing rests on it before. */
export interface Rests {
  readonly read: readonly ReadRow[]
  readonly held: readonly HeldBy[]
  /** How the ledger stood when the streams of `read` were seen. */
  readonly seen: readonly Seen[]
}

/** Of the reads of one reaction, one after the other. */
export class Resting {
  readonly #read = new Map<string, ReadRow>()
  readonly #held = new Map<string, HeldBy>()
  readonly #seen = new Map<string, Seen>()

  /** False: an earlier read was answered otherwise, and both cannot be so. */
  add({ read, held, seen }: Rests): boolean {
    const isTorn =
      read.some((row) => (this.#read.get(keyOf(row.stream, row.id))?.version ?? row.version) !== row.version) ||
      held.some((one) => (this.#held.get(uniqueName(one))?.ids ?? one.ids).join() !== one.ids.join())
    if (isTorn) return false
    for (const row of read) this.#read.set(keyOf(row.stream, row.id), row)
    for (const one of held) this.#held.set(uniqueName(one), one)
    for (const one of seen) this.#seen.set(JSON.stringify(one), one)
    return true
  }

  /** Undefined: all was looked up. */
  get all(): Rests | undefined {
    if (this.#read.size + this.#held.size === 0) return undefined
    return { read: [...this.#read.values()], held: [...this.#held.values()], seen: [...this.#seen.values()] }
  }
}
