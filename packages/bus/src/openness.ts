import { BusError } from './error.ts'
import type { Consumer } from './port.ts'

/** What is open of a bus: whether it is at all, and who consumes from it. */
export class Openness {
  readonly #consumers = new Set<Consumer>()
  #closed = false

  /** Throws `closed` once the bus was closed. */
  check(): void {
    if (this.#closed) throw new BusError('closed', 'the bus is closed')
  }

  add(consumer: Consumer): Consumer {
    this.#consumers.add(consumer)
    return consumer
  }

  /** False when it was closed before. */
  async close(): Promise<boolean> {
    if (this.#closed) return false
    this.#closed = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.stop()))
    return true
  }
}
