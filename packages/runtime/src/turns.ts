import { type Clock, realClock } from '@rondo/bus'
import type { Way } from '@rondo/ledger'

/** What a service's ledger is given. */
export interface Turn {
  readonly clock: Clock
  readonly way: Way
}

interface Waiting {
  readonly place: number
  readonly resolve: () => void
}

/** Milliseconds that one service's batch holds up those of later ones: of a slow disk, or a bus that is away, they do not become slower. */
const heldMostMs = 8

/**
 * Turns of the event loop for the services of one process. What a fact brings reaches all of them in the same turn, and who comes first to
 * its database holds up the others by what it decides and writes: so they go in the order in which the process has them, and not in the
 * order in which they happen to be done with reading. While what one of them writes is on its way, those behind it wait a little: beside it
 * they would take the processor that its answer waits for.
 */
export class Turns {
  #waiting: Waiting[] = []
  /** When what is on its way began, by place. */
  readonly #since = new Map<number, number>()
  readonly #held = new Set<Waiting>()
  readonly #clock: Clock

  constructor(clock: Clock = realClock) {
    this.#clock = clock
  }

  /** Of the service in this place. */
  of(place: number): Turn {
    const turn = () => this.#turn(place)
    const way: Way = {
      clear: () => this.#clear(place),
      enter: () => void this.#since.set(place, this.#clock.now()),
      leave: () => this.#leave(place),
    }
    return { clock: { ...this.#clock, turn }, way }
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

  async #clear(place: number): Promise<void> {
    if (!this.#isHeld(place)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = { place, resolve }
    this.#held.add(waiting)
    const cancel = this.#clock.after(heldMostMs, resolve)
    await promise
    cancel()
    this.#held.delete(waiting)
    await this.#turn(place)
  }

  /** By one before it. */
  #isHeld(place: number): boolean {
    const from = this.#clock.now() - heldMostMs
    return [...this.#since].some(([other, since]) => other < place && since > from)
  }

  #leave(place: number): void {
    this.#since.delete(place)
    for (const { place: other, resolve } of this.#held) if (!this.#isHeld(other)) resolve()
  }
}
