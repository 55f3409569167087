import { DomainError } from '@rondo/kernel'
import type { Lateness } from './lateness.ts'

/*
 * How much work may be under way at once, by Little's law: it is what ends in a second times how long it may take. Where more comes, who comes
 * is told "later" at once, instead of waiting in a queue that only grows.
 */

/** What work may take, in milliseconds, from when its request came, while more comes than can be done. */
const aimMs = 200
/** Between two looks at how much has ended: what was changed by the one before has to show first. */
const lookMs = 250
/** So much is let in however little ends: without any nothing would be learned. */
const least = 32
/** So much where nobody was sent away of late: a burst that is over soon is no overload. */
const usual = 128
const most = 2048
/** At most so much more, or less, after each look. */
const growth = 1.25
const decay = 0.5
/** Bytes of all requests under way. */
const mostBytes = 64 << 20

/** Who was told "later" comes back within this time, and not all at once. */
const laterMs = [250, 500, 750, 1000, 1250, 1500, 1750, 2000] as const

export interface Standing {
  /** How many may be under way now. */
  readonly limit: number
  readonly underWay: number
}

/** Of a call that was let in. */
export interface Place {
  /** Bytes of its request, as they come. Throws `overloaded` where there is no room for them. */
  hold(bytes: number): void
  /** It has ended, however often that is said. */
  leave(): void
}

export interface AdmissionOptions {
  /** Milliseconds that only grow. */
  readonly now?: () => number
  readonly lateness?: Lateness
  /** Told at each look. */
  readonly onLook?: (standing: Standing) => void
}

/** Made once: whoever is refused while there is much to do should cost little. */
const refusals = laterMs.map(
  (retry_after_ms) =>
    new DomainError('overloaded', `more is to be done than can be done in time: nothing was done, try again in ${retry_after_ms} ms`, {
      retry_after_ms,
    }),
)

export class Admission {
  readonly #now: () => number
  readonly #lateness: Lateness | undefined
  readonly #onLook: (standing: Standing) => void
  readonly #waiting: ((place: Place) => void)[] = []
  #limit: number = usual
  #underWay = 0
  #bytes = 0
  #looked: number
  #refused = 0
  /** Since the last look: how much ended, and whether somebody found no room. */
  #seen = { ended: 0, full: false }

  constructor({ now = () => performance.now(), lateness, onLook = () => undefined }: AdmissionOptions = {}) {
    this.#now = now
    this.#lateness = lateness
    this.#onLook = onLook
    this.#looked = now()
  }

  get standing(): Standing {
    return { limit: this.#limit, underWay: this.#underWay }
  }

  /** Lets a call in, or throws `overloaded` where there is no room. `bytes`: of its request, 0 where they are not known yet. */
  enter(bytes: number): Place {
    if (this.#isFull() || !this.#hasRoom(bytes)) throw this.#refuse()
    return this.#begin(bytes)
  }

  /** What who comes now is told; undefined where there is room. */
  refusal(): DomainError | undefined {
    return this.#isFull() ? this.#refuse() : undefined
  }

  /** For who cannot pile up, as the sender of a stream, which is read no faster than it is worked on: waits for room instead of being refused. */
  async inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const place = this.#isFull() ? await this.#room() : this.#begin(0)
    try {
      return await work()
    } finally {
      place.leave()
    }
  }

  #refuse(): DomainError | undefined {
    this.#seen.full = true
    this.#refused += 1
    return refusals[this.#refused % refusals.length]
  }

  #room(): Promise<Place> {
    this.#seen.full = true
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #isFull(): boolean {
    return this.#underWay >= this.#limit
  }

  /** A single one may always be as large as it is. */
  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= mostBytes
  }

  #begin(bytes: number): Place {
    this.#underWay += 1
    this.#bytes += bytes
    let held = bytes
    let left = false
    return {
      hold: (more) => {
        if (left) return
        if (!this.#hasRoom(more)) throw this.#refuse()
        held += more
        this.#bytes += more
      },
      leave: () => {
        if (left) return
        left = true
        this.#underWay -= 1
        this.#bytes -= held
        this.#end()
      },
    }
  }

  #end(): void {
    this.#seen.ended += 1
    const now = this.#now()
    if (now - this.#looked >= lookMs) this.#look(now)
    while (!this.#isFull() && this.#waiting.length > 0) this.#waiting.shift()?.(this.#begin(0))
  }

  #look(now: number): void {
    const { ended, full } = this.#seen
    // What has waited before it was let in has so much less left
    const late = this.#lateness?.sinceLast(full) ?? 0
    const wanted = full ? (ended * Math.max(aimMs - late, 0)) / (now - this.#looked) : Math.max(this.#limit, usual)
    const near = Math.min(Math.max(wanted, this.#limit * decay), this.#limit * growth)
    this.#limit = Math.min(Math.max(Math.round(near), least), most)
    this.#looked = now
    this.#seen = { ended: 0, full: false }
    this.#onLook(this.standing)
  }
}
