import { type Clock, realClock } from '@rondo/bus'

/** Goes on when it is told to. */
export class HandClock implements Clock {
  #at = 0
  readonly #waiting = new Set<{ readonly at: number; readonly run: () => void }>()

  now = () => this.#at
  turn = realClock.turn
  name = realClock.name
  after(ms: number, run: () => void): () => void {
    const one = { at: this.#at + ms, run }
    this.#waiting.add(one)
    return () => void this.#waiting.delete(one)
  }
  aside = this.after

  async pass(ms: number): Promise<void> {
    const end = this.#at + ms
    for (;;) {
      for (let turn = 0; turn < 30; turn++) await realClock.turn()
      const [next] = [...this.#waiting].sort((one, other) => one.at - other.at)
      if (!next || next.at > end) break
      this.#waiting.delete(next)
      this.#at = Math.max(this.#at, next.at)
      next.run()
    }
    this.#at = end
  }
}
