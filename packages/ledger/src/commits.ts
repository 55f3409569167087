import type { Database } from './database.ts'
import type { Fresh } from './store.ts'

/** The least time between two wake-ups of others, outside of the transactions: own commits gather meanwhile. */
const wakeMs = 20
/** So long whoever tells the others with what it writes anyway may take; then they are woken all the same. */
const tellMs = 500
/** The safety net where a wake-up gets lost (a pooler, a broken connection); as long as none was lost, doubled at each look up to the second. */
const pollMs = 2_000
const pollMostMs = 16_000

/** A relay as others see it. */
export interface Telling {
  /** Up to this position it tells the others with its mark what it has sent: they need no other wake-up. */
  readonly tells: (position: number) => boolean
  /** Another one has sent everything up to there. */
  readonly sent: (position: number) => void
}

/** Relays of other processes, as one of this process sees them. */
export interface Others {
  /** They were told up to there by a mark. */
  readonly told: (position: number) => void
  /** They have to be woken for what it was going to tell them. */
  readonly wake: () => void
}

/** Called with the last position and, of a commit of this process, with what was written, where it can be sent as it is. */
export type CommitListener = (position: number, written?: Fresh) => void

/**
 * Tells who listens that the ledger grew: at once after commits of this process, by one coalesced wake-up after those of others.
 * One inside of the appending transaction would cost two thirds of its rate.
 */
export class Commits {
  readonly #listeners = new Set<CommitListener>()
  readonly #database: Database
  #position = 0
  /** The last of this process. */
  #own = 0
  /** When the others were woken last. */
  #wokenAt = Number.NEGATIVE_INFINITY
  #pollMs = pollMs
  /** When the others are to be woken next. */
  #waking: { readonly at: number; readonly cancel: () => void } | undefined
  #cancelPoll: (() => void) | undefined
  #deafen: () => Promise<void> = async () => undefined
  #closed = false
  #relay: Telling = { tells: () => false, sent: () => undefined }

  constructor(database: Database) {
    this.#database = database
  }

  /** A commit of this process. */
  readonly own = (position: number, written?: Fresh): void => {
    this.#own = Math.max(this.#own, position)
    this.#grown(position, written)
    if (this.#relay.tells(position)) this.#wakeAfter(tellMs)
    else this.#wakeSoon()
  }

  /** A relay that sends what this process has written, and tells the others with what it writes anyway. */
  readonly join = (relay: Telling): Others => {
    this.#relay = relay
    return {
      told: (position) => {
        if (position >= this.#own) this.#leaveAsleep()
      },
      wake: () => this.#wakeSoon(),
    }
  }

  on(listener: CommitListener): () => void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.#start()
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelPoll?.()
    if (this.#waking) {
      this.#leaveAsleep()
      await this.#wake()
    }
    this.#listeners.clear()
    await this.#deafen()
  }

  #grown(position: number, written?: Fresh): void {
    // Also what an older copy gives a second time, that took the place of the ledger: others have sent something else under it
    if (position <= this.#position) return
    this.#position = position
    for (const listener of this.#listeners) listener(position, written)
  }

  #wakeSoon(): void {
    this.#wakeAfter(Math.max(0, this.#wokenAt + wakeMs - this.#database.clock.now()))
  }

  /** Not later than that. */
  #wakeAfter(ms: number): void {
    const { clock } = this.#database
    const at = clock.now() + ms
    if (this.#waking && this.#waking.at <= at) return
    this.#leaveAsleep()
    const cancel = clock.after(ms, () => {
      this.#waking = undefined
      void this.#wake()
    })
    this.#waking = { at, cancel }
  }

  #leaveAsleep(): void {
    this.#waking?.cancel()
    this.#waking = undefined
  }

  async #wake(): Promise<void> {
    const { store, service, log, clock } = this.#database
    this.#wokenAt = clock.now()
    try {
      await store.wake(this.#position)
    } catch (error) {
      // The others' poll finds it all the same
      log.warn({ service, error: String(error) }, 'could not wake the others')
    }
  }

  #start(): void {
    if (this.#cancelPoll) return
    this.#deafen = this.#database.store.listen((position, isSent) => {
      // First: what was sent need not be looked for
      if (isSent) this.#relay.sent(position)
      this.#grown(position)
    })
    this.#poll()
  }

  #poll(): void {
    this.#cancelPoll = this.#database.clock.aside(this.#pollMs, () => void this.#look())
  }

  async #look(): Promise<void> {
    const { store, service, log } = this.#database
    try {
      const before = this.#position
      const { position } = await store.standing()
      // Nobody told, neither before nor while it looked
      const lost = position > before && before === this.#position
      this.#pollMs = lost ? pollMs : Math.min(pollMostMs, this.#pollMs * 2)
      this.#grown(position)
    } catch (error) {
      log.warn({ service, error: String(error) }, 'could not look for new events')
    }
    if (!this.#closed) this.#poll()
  }
}
