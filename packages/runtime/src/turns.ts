import { type Clock, realClock } from '@rondo/bus'

interface Waiting {
  readonly place: number
  readonly resolve: () => void
}

/**
 * Turns of the event loop for the services of one process. What a fact brings reaches all of them in the same turn, and who comes first to
 * its database holds up the others by what it decides and writes: so they go in the order in which the process has them, and not in the
 * order in which they happen to be done with reading.
 */
export class Turns {
  #waiting: Waiting[] = []

  /** The clock of the service in this place. */
  of(place: number): Clock {
    return { ...realClock, turn: () => this.#turn(place) }
  }

  #turn(place: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ place, resolve })
      if (this.#waiting.length === 1) setImmediate(() => this.#begin())
    })
  }

  /** Each when the one before it has done what it can do at once. */
  #begin(): void {
    const [first, ...others] = this.#waiting.splice(0).sort((one, other) => one.place - other.place)
    for (const { resolve } of others) setImmediate(resolve)
    first?.resolve()
  }
}
