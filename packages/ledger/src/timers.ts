import { DomainError, retryAfterMs } from '@rondo/kernel'
import type { Database } from './database.ts'
import type { TimerRow } from './derived.ts'
import { isDown } from './failure.ts'
import type { LedgerRules } from './rules.ts'
import type { Writer } from './writer.ts'

/** Due tells taken in one look. */
const chunk = 500
/** Timers appear by appends of any process: this is how late one may be that became due soon after it was made. */
const lookMs = 1_000
/** A tell that cannot be applied is tried again after this, doubled up to an hour. */
const retryMs = 5_000
const retryMostMs = 3_600_000

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

  constructor(database: Database, rules: LedgerRules, writer: Writer) {
    this.#database = database
    this.#rules = rules
    this.#writer = writer
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    this.#schedule(0)
  }

  async stop(): Promise<void> {
    this.#running = false
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
      if (isDown(error) || (error instanceof DomainError && retryAfterMs(error) !== undefined)) throw error
      this.#rest(id, error)
      return false
    }
  }

  /** Known by its id although its row waits (it was made again by a rebuild, or another process was faster). */
  #rest(id: string, error: unknown): void {
    const times = (this.#failed.get(id)?.times ?? 0) + 1
    this.#failed.set(id, { times, until: this.#database.clock.now() + Math.min(retryMostMs, retryMs * 2 ** (times - 1)) })
    this.#database.log.error({ service: this.#database.service, timer: id, times, error: String(error) }, 'a due tell could not be applied')
  }

  #schedule(ms: number): void {
    if (!this.#running) return
    this.#cancel = this.#database.clock.aside(ms, () => {
      this.#looking = this.#look()
    })
  }

  async #look(): Promise<void> {
    try {
      await this.fireDue()
    } catch (error) {
      this.#database.log.warn({ service: this.#database.service, error: String(error) }, 'could not look for due tells')
    }
    this.#schedule(lookMs)
  }
}
