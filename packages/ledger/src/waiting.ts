import type { Work } from './batch.ts'
import { chainOf } from './load.ts'
import { keyOf } from './storage.ts'

/** What a unit is decided on and writes: its streams, its id, the partition that it comes from. */
function touches({ unit }: Work): readonly string[] {
  const streams = unit.messages.map(({ stream, id }) => `stream ${keyOf(stream.name, id)}`)
  return [
    ...streams,
    ...(unit.remember ? [`message ${unit.id}`] : []),
    ...(unit.checkpoint ? [`partition ${chainOf(unit.checkpoint)}`] : []),
  ]
}

/** How far back is looked for units that touch nothing that is busy. */
const lookedAt = 1_000

/**
 * Units that wait, in their order, and what those on their way touch. What is taken touches nothing of another batch on its way,
 * and nothing that an earlier unit waits for: so batches can be on their way at once, and each stream sees its units in order.
 */
export class WaitingUnits<W extends Work> {
  #units: W[] = []
  readonly #busy = new Set<string>()

  get length(): number {
    return this.#units.length
  }

  push(unit: W): void {
    this.#units.push(unit)
  }

  /** Back to the front, in this order. */
  putBack(units: readonly W[]): void {
    this.#units.unshift(...units)
  }

  /** At most so many, which are busy until `release`. */
  take(most: number): readonly W[] {
    if (this.#busy.size === 0) return this.#occupy(this.#units.splice(0, most))
    const blocked = new Set<string>()
    const taken: W[] = []
    const left: W[] = []
    const seen = this.#units.splice(0, Math.max(lookedAt, most))
    for (const unit of seen) {
      const touched = touches(unit)
      if (taken.length < most && touched.every((one) => !this.#busy.has(one) && !blocked.has(one))) taken.push(unit)
      else {
        for (const one of touched) blocked.add(one)
        left.push(unit)
      }
    }
    this.#units = [...left, ...this.#units]
    return this.#occupy(taken)
  }

  release(units: readonly W[]): void {
    for (const unit of units) for (const one of touches(unit)) this.#busy.delete(one)
  }

  #occupy(units: readonly W[]): readonly W[] {
    for (const unit of units) for (const one of touches(unit)) this.#busy.add(one)
    return units
  }
}
