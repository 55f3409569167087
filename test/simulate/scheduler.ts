interface Event {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

/** All that is ready has run: what is simulated waits for nothing but promises, and a turn of the event loop costs half as much as the rest. */
const settled = () => new Promise<void>((resolve) => process.nextTick(resolve))

/** Virtual time: what is to happen happens one after the other, each when all that follows from the one before has come to rest. */
export class Scheduler {
  /** Milliseconds since the beginning. */
  now = 0
  /** How much has happened. */
  steps = 0
  #order = 0
  readonly #heap: Event[] = []

  /** The returned function takes it back. */
  after(ms: number, run: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, ms), order: this.#order++, run }
    this.#push(event)
    return () => {
      event.run = undefined
    }
  }

  /** Until it is asked to end, or the time is over; false: the time is over. */
  async run(ends: () => boolean, until: number): Promise<boolean> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    for (let event = this.#pop(); event; event = this.#pop()) {
      if (!event.run) continue
      if (event.at > until) return false
      this.now = event.at
      this.steps += 1
      event.run()
      await settled()
      if (ends()) return true
    }
    return ends()
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (!above || isBefore(above, event)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      const child = right && left && isBefore(right, left) ? 2 * at + 2 : 2 * at + 1
      const below = heap[child]
      if (!below || isBefore(last, below)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }
}

const isBefore = (one: Event, other: Event): boolean => one.at < other.at || (one.at === other.at && one.order < other.order)
