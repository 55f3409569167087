import type { Work } from './batch.ts'
import { chainOf } from './load.ts'
import { keyOf } from './storage.ts'

/** What a unit is decided on and writes: its streams, its id, the partition that it comes from, as which all count that it notes: their ids lie there. */
function touchesOf(work: Work): readonly string[] {
  const { unit } = work
  const streams = unit.messages.map(({ stream, id }) => `stream ${keyOf(stream.name, id)}`)
  const partition = partitionOf(work)
  // As long as they are: an array that grows takes room for sixteen more
  if (unit.remember) return partition === undefined ? [...streams, `message ${unit.id}`] : [...streams, `message ${unit.id}`, partition]
  return partition === undefined ? streams : [...streams, partition]
}

const partitionOf = ({ unit: { checkpoint } }: Work): string | undefined => checkpoint && `partition ${chainOf(checkpoint)}`

/** How far back is looked for units that touch nothing that is busy. */
const lookedAt = 4_000

interface Entry<W> {
  readonly unit: W
  /** Named once, as each name has to be hashed. */
  readonly touched: readonly string[]
}

const entryOf = <W extends Work>(unit: W): Entry<W> => ({ unit, touched: touchesOf(unit) })

/**
 * Units that wait, in their order, and what those on their way touch. What is taken touches nothing of another batch on its way,
 * and nothing that an earlier unit waits for: so batches can be on their way at once, and each stream sees its units in order.
 */
export class WaitingUnits<W extends Work> {
  #entries: Entry<W>[] = []
  #busy = new Set<string>()
  /** Weak, and no map: the tables that one has outgrown would hold all units that were ever on their way (ADR 31). */
  readonly #onTheirWay = new WeakMap<W, Entry<W>>()

  get length(): number {
    return this.#entries.length
  }

  /** Some wait, fewer than so many, and each of them is so. */
  isSmall(most: number, isSo: (unit: W) => boolean): boolean {
    return this.length > 0 && this.length < most && this.#entries.every(({ unit }) => isSo(unit))
  }

  push(unit: W): void {
    this.#entries.push(entryOf(unit))
  }

  /** Back to the front, in this order. */
  putBack(units: readonly W[]): void {
    this.#entries.unshift(...units.map(entryOf))
  }

  /** At most so many, which are busy until `release`. */
  take(most: number): readonly W[] {
    return this.#busy.size === 0 ? this.#occupy(this.#entries.splice(0, most)) : this.#passing(most, new Set())
  }

  /**
   * About half of them, and of each partition all or none: the other half is for a second batch, which could take nothing of a
   * partition that this one takes from.
   */
  takeHalf(most: number): readonly W[] {
    const half = Math.ceil(this.#entries.length / 2)
    const sizes = new Map<string, number>()
    for (const { unit } of this.#entries) {
      const partition = partitionOf(unit)
      if (partition !== undefined) sizes.set(partition, (sizes.get(partition) ?? 0) + 1)
    }
    const left = new Set<string>()
    let taken = 0
    for (const [partition, size] of sizes) {
      if (taken < half) taken += size
      else left.add(partition)
    }
    return this.#passing(Math.min(most, Math.max(half, taken)), left)
  }

  /** Whatever touches nothing that is blocked, is busy or that an earlier unit waits for. */
  #passing(most: number, blocked: Set<string>): readonly W[] {
    const taken: Entry<W>[] = []
    const left: Entry<W>[] = []
    for (const entry of this.#entries.splice(0, Math.max(lookedAt, most))) {
      const { touched } = entry
      if (taken.length < most && touched.every((one) => !this.#busy.has(one) && !blocked.has(one))) taken.push(entry)
      else {
        for (const one of touched) blocked.add(one)
        left.push(entry)
      }
    }
    this.#entries = [...left, ...this.#entries]
    return this.#occupy(taken)
  }

  release(units: readonly W[]): void {
    for (const unit of units) {
      for (const one of this.#onTheirWay.get(unit)?.touched ?? []) this.#busy.delete(one)
      this.#onTheirWay.delete(unit)
    }
    if (this.#busy.size === 0) this.#busy = new Set()
  }

  #occupy(entries: readonly Entry<W>[]): readonly W[] {
    return entries.map((entry) => {
      for (const one of entry.touched) this.#busy.add(one)
      this.#onTheirWay.set(entry.unit, entry)
      return entry.unit
    })
  }
}
