import pg from 'pg'
import type { Database } from './database.ts'

/** How long own commits gather before the others are woken, outside of their transactions. */
const wakeMs = 20
/** The safety net where a wake-up gets lost (a pooler, a broken connection). */
const pollMs = 2_000
const reconnectMs = 1_000

export const channelOf = (service: string): string => `rondo_${service}`

/**
 * Tells who listens that the ledger grew: at once after commits of this process, by one coalesced NOTIFY after those of others.
 * A NOTIFY inside of the appending transaction would cost two thirds of its rate.
 */
export class Commits {
  readonly #listeners = new Set<(position: number) => void>()
  readonly #database: Database
  #position = 0
  #waking: NodeJS.Timeout | undefined
  #polling: NodeJS.Timeout | undefined
  #listening: pg.Client | undefined
  #closed = false

  constructor(database: Database) {
    this.#database = database
  }

  /** A commit of this process. */
  readonly own = (position: number): void => {
    this.#grown(position)
    this.#waking ??= setTimeout(() => void this.#wake(), wakeMs)
  }

  on(listener: (position: number) => void): () => void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.#start()
    return () => {
      this.#listeners.delete(listener)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#polling)
    if (this.#waking) {
      clearTimeout(this.#waking)
      await this.#wake()
    }
    this.#listeners.clear()
    await this.#listening?.end()
  }

  #grown(position: number): void {
    if (position <= this.#position) return
    this.#position = position
    for (const listener of this.#listeners) listener(position)
  }

  async #wake(): Promise<void> {
    this.#waking = undefined
    const { pool, service, log } = this.#database
    try {
      await pool.query('select pg_notify($1, $2)', [channelOf(service), String(this.#position)])
    } catch (error) {
      // The others' poll finds it all the same
      log.warn({ service, error: String(error) }, 'could not wake the others')
    }
  }

  #start(): void {
    if (this.#polling) return
    void this.#listen()
    this.#poll()
  }

  #poll(): void {
    this.#polling = setTimeout(() => void this.#look(), pollMs).unref()
  }

  async #look(): Promise<void> {
    const { pool, service, log } = this.#database
    try {
      const { rows } = await pool.query<{ position: string }>('select position from head')
      this.#grown(Number(rows[0]?.position ?? 0))
    } catch (error) {
      log.warn({ service, error: String(error) }, 'could not look for new events')
    }
    if (!this.#closed) this.#poll()
  }

  async #listen(): Promise<void> {
    const { pool, service, log } = this.#database
    const client = new pg.Client({ ...pool.options, application_name: `rondo ${service} listens`, keepAlive: true })
    let ended = false
    const again = (error?: Error) => {
      if (ended || this.#closed) return
      ended = true
      if (error) log.warn({ service, error: error.message }, 'the connection that listens broke')
      setTimeout(() => void this.#listen(), reconnectMs).unref()
    }
    client.on('error', again)
    client.on('end', () => again())
    client.on('notification', ({ payload }) => this.#grown(Number(payload)))
    try {
      await client.connect()
      await client.query(`listen ${channelOf(service)}`)
      this.#listening = client
      if (this.#closed) await client.end()
    } catch (error) {
      again(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
