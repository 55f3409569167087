import type { Database } from './database.ts'
import type { Fresh } from './store.ts'

/** The least time between two wake-ups of others, outside of the transactions: own commits gather meanwhile. */
const wakeMs = 20
/** So long whoever tells the others with what it writes anyway may take; then they are woken all the same. */
const tellMs = 500
/** The safety net where a wake-up gets lost (a pooler, a broken connection); as long as none was lost, doubled at each look up to the second. */
const pollMs = 2_000
const pollMostMs = 16_000

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
  /** When the others were woken last. */
  #wokenAt = Number.NEGATIVE_INFINITY
  #pollMs = pollMs
  #cancelWake: (() => void) | undefined
  #cancelPoll: (() => void) | undefined
  #deafen: () => Promise<void> = async () => undefined
  #closed = false
  #isLeft: () => boolean = () => false

  constructor(database: Database) {
    this.#database = database
  }

  /** A commit of this process. */
  readonly own = (position: number, written?: Fresh): void => {
    this.#grown(position, written)
    const { clock } = this.#database
    const soonest = this.#isLeft() ? tellMs : this.#wokenAt + wakeMs - clock.now()
    this.#cancelWake ??= clock.after(Math.max(0, soonest), () => void this.#wake())
  }

  /** While `tells` says so, somebody else tells the others: it calls what is returned each time, with the position that it told. */
  readonly leaveWaking = (tells: () => boolean): ((position: number) => void) => {
    this.#isLeft = tells
    return (position) => {
      if (position < this.#position) return
      this.#cancelWake?.()
      this.#cancelWake = undefined
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
    if (this.#cancelWake) {
      this.#cancelWake()
      await this.#wake()
    }
    this.#listeners.clear()
    await this.#deafen()
  }

  #grown(position: number, written?: Fresh): void {
    if (position <= this.#position) return
    this.#position = position
    for (const listener of this.#listeners) listener(position, written)
  }

  async #wake(): Promise<void> {
    this.#cancelWake = undefined
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
    this.#deafen = this.#database.store.listen((position) => this.#grown(position))
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
