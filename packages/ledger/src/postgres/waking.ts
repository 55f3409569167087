import pg from 'pg'
import type { Waking, Woken } from '../store.ts'
import type { Schema } from './connection.ts'

const reconnectMs = 1_000

export const channelOf = (service: string): string => `rondo_${service}`

/** A position; with a sign where everything up to there was sent. A process of an earlier version reads the same number. */
export const payloadOf = (position: number, isSent: boolean): string => `${isSent ? '+' : ''}${position}`

/** It waits for no disk: nothing is lost with it that the next look does not find. */
const wakeText = `select pg_notify($1, $2) from (select set_config('synchronous_commit', 'off', true)) as softly`

export function waking(schema: Schema): Waking {
  const { pool, service } = schema
  return {
    async wake(position) {
      await pool.query({ name: 'wake', text: wakeText, values: [channelOf(service), payloadOf(position, false)] })
    },
    listen(woken) {
      const listening = new Listening(schema, woken)
      void listening.connect()
      return () => listening.close()
    },
  }
}

/** One connection that listens, made again when it breaks. */
class Listening {
  readonly #schema: Schema
  readonly #woken: Woken
  #client: pg.Client | undefined
  #closed = false

  constructor(schema: Schema, woken: Woken) {
    this.#schema = schema
    this.#woken = woken
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#client?.end()
  }

  async connect(): Promise<void> {
    const { pool, service, log } = this.#schema
    const client = new pg.Client({ ...pool.options, application_name: `rondo ${service} listens`, keepAlive: true })
    let ended = false
    const again = (error?: Error) => {
      if (ended || this.#closed) return
      ended = true
      if (error) log.warn({ service, error: error.message }, 'the connection that listens broke')
      setTimeout(() => void this.connect(), reconnectMs).unref()
    }
    client.on('error', again)
    client.on('end', () => again())
    client.on('notification', ({ payload = '' }) => this.#woken(Number(payload), payload.startsWith('+')))
    try {
      await client.connect()
      await client.query(`listen ${channelOf(service)}`)
      this.#client = client
      if (this.#closed) await client.end()
    } catch (error) {
      again(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
