import type { Clock } from '@rondo/bus'
import type { Instant } from '@rondo/kernel'

/** What was heard is good for so long: two clocks run apart by less than a millisecond in that time. */
const goodMs = 5_000
/** A newer reply takes its place after this, although that may have taken longer. */
const freshMs = 2_000

/**
 * The store's clock as its replies tell it, so that asking for it is not needed each time. A reply tells a moment that has passed by its
 * way back: the quickest of the last seconds is the best, and what is made of it does not lie ahead, unless the store's clock was set back:
 * the append compares.
 */
export class StoreClock {
  readonly #clock: Clock
  /** Milliseconds from the process's clock to the store's, and when that was heard. */
  #heard: { readonly ahead: number; readonly at: number } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A moment that was asked for: it holds, whatever was heard before. */
  told(moment: Instant): void {
    const at = this.#clock.now()
    this.#heard = { ahead: millisOf(moment) - at, at }
  }

  /** A moment that a reply, which came just now, has told by the way. */
  heard(moment: Instant): void {
    const at = this.#clock.now()
    const ahead = millisOf(moment) - at
    if (!this.#heard || ahead > this.#heard.ahead || at - this.#heard.at > freshMs) this.#heard = { ahead, at }
  }

  /** Undefined where nothing was heard lately. */
  now(): Instant | undefined {
    const at = this.#clock.now()
    return this.#heard && at - this.#heard.at <= goodMs ? instantOf(this.#heard.ahead + at) : undefined
  }
}

/** With parts of a millisecond. */
const millisOf = (moment: Instant): number => Date.parse(moment) + Number(moment.slice(23, 26)) / 1_000

function instantOf(millis: number): Instant {
  const whole = Math.floor(millis)
  const micros = Math.floor((millis - whole) * 1_000)
  return `${new Date(whole).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}
