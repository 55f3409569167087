import { DomainError } from '@rondo/kernel'
import type { Database } from './database.ts'
import type { TimerRow } from './derived.ts'
import { isDown } from './failure.ts'
import type { LedgerRules } from './rules.ts'
import type { Writer } from './writer.ts'

/** Due tells taken in one look. */
const chunk = 500
/** Timers appear by appends of any process: this is how late one may be that became due soon after it was made. */
const lookMs = 1_000
/** The safety net where nobody said that the ledger grew, or the database's clock went forward. */
const restMs = 10_000
/** A tell that cannot be applied is tried again after this, doubled up to an hour. */
const retryMs = 5_000
const retryMostMs = 3_600_000
/** Nothing is wrong with the timer. */
const later: readonly string[] = ['unavailable', 'overloaded']

export const timerUnitId = ({ stream, stream_id, tell, due }: TimerRow): string => `${stream}/${stream_id}/${tell}/${due}`

/** Fires due tells, by the database's clock: each once, however many processes look. */
export class Timers {
  readonly #database: Database
  readonly #rules: LedgerRules
  readonly #writer: Writer
  /** Those that failed: how often, and until when they are left alone (milliseconds of this process's clock). */
  readonly #failed = new Map<string, { readonly times: number; readonly until: number }>()
  #cancel: () => void = () => undefined
  #looking: Promise<void> | undefined
  #running = false
  /** By this process's clock. */
  #nextLook = 0
  /** The ledger has grown since the last look began. */
  #grown = false
  #unsubscribe: () => void = () => undefined

  constructor(database: Database, rules: LedgerRules, writer: Writer) {
    this.#database = database
    this.#rules = rules
    this.#writer = writer
  }

  /** `onCommit`: tells when the ledger grew, whoever appended. */
  start(onCommit: (listener: () => void) => () => void): void {
    if (this.#running) return
    this.#running = true
    this.#unsubscribe = onCommit(() => this.#soon())
    this.#schedule(0)
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#unsubscribe()
    this.#cancel()
    await this.#looking
  }

  /** Fires what is due now; how many were fired by this process. */
  async fireDue(): Promise<number> {
    let fired = 0
    for (;;) {
      const due = await this.#due()
      fired += (await Promise.all(due.map((timer) => this.#fire(timer)))).filter(Boolean).length
      if (due.length < chunk) return fired
    }
  }

  #next(): Promise<number | undefined> {
    return this.#database.store.nextDue([...this.#rules.streams.keys()])
  }

  async #due(): Promise<readonly TimerRow[]> {
    const now = this.#database.clock.now()
    const resting = [...this.#failed].filter(([, { until }]) => until > now).map(([id]) => id)
    return this.#database.store.due([...this.#rules.streams.keys()], resting, chunk)
  }

  /** It happened when it was due, however late it is fired. */
  async #fire(timer: TimerRow): Promise<boolean> {
    const id = timerUnitId(timer)
    const stream = this.#rules.streams.get(timer.stream)
    if (!stream) return false
    try {
      const { duplicate } = await this.#writer.submit(
        {
          id,
          hash: id,
          remember: true,
          messages: [{ kind: 'tell', stream, id: timer.stream_id, rule: timer.tell, input: undefined }],
          cause: { at: timer.due, actor: `service:${this.#database.service}`, correlationId: id, causationId: id },
        },
        timer,
      )
      this.#failed.delete(id)
      // Known by its id although its row waits: it was made again by a rebuild, or another process was faster
      if (duplicate) await this.#database.store.markFired(timer)
      return !duplicate
    } catch (error) {
      if (isDown(error) || (error instanceof DomainError && later.includes(error.code))) throw error
      this.#rest(id, error)
      return false
    }
  }

  /** It failed by itself: it is left alone for a while, the others go on. */
  #rest(id: string, error: unknown): void {
    const times = (this.#failed.get(id)?.times ?? 0) + 1
    this.#failed.set(id, { times, until: this.#database.clock.now() + Math.min(retryMostMs, retryMs * 2 ** (times - 1)) })
    this.#database.log.error({ service: this.#database.service, timer: id, times, error: String(error) }, 'a due tell could not be applied')
  }

  /** The ledger grew, perhaps by a timer. */
  #soon(): void {
    if (this.#grown) return
    this.#grown = true
    if (this.#nextLook - this.#database.clock.now() > lookMs) this.#schedule(lookMs)
  }

  #schedule(ms: number): void {
    if (!this.#running) return
    this.#cancel()
    this.#nextLook = this.#database.clock.now() + ms
    this.#cancel = this.#database.clock.aside(ms, () => {
      this.#looking = this.#look()
    })
  }

  async #look(): Promise<void> {
    // What comes while it looks may not be seen by it
    this.#grown = false
    this.#nextLook = Number.NEGATIVE_INFINITY
    let next: number | undefined
    try {
      next = await this.#next()
      if (next !== undefined && next <= 0) {
        await this.fireDue()
        next = await this.#next()
      }
    } catch (error) {
      this.#database.log.warn({ service: this.#database.service, error: String(error) }, 'could not look for due tells')
      next = 0
    }
    this.#schedule(this.#grown ? lookMs : Math.min(restMs, Math.max(lookMs, next ?? restMs)))
  }
}
