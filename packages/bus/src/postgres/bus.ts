import pg from 'pg'
import { asError, BusError } from '../error.ts'
import { createOutbox } from '../outbox.ts'
import { type Bus, type Consumer, defaultPace, type Log } from '../port.ts'
import { consumePostgres, type PollPace } from './consumer.ts'
import { openSession } from './session.ts'
import { createStore } from './store.ts'

export interface PostgresBusOptions {
  /** As the bus's own role, in a database that `migrateBus` has prepared. */
  readonly url: string
  /** Connections for queries; one more is kept to listen once something is consumed. 4 unless told. */
  readonly connections?: number
  readonly pace?: Partial<PollPace>
  /** Milliseconds between two deletions of what is past its topic's retention; a minute unless told. */
  readonly trimEvery?: number
  readonly log?: Log
}

const requestLimits = { bytes: 4 << 20, records: 500 }

/** The embedded bus: the same partitions and records in PostgreSQL 15 or newer. Nothing is connected before it is used. */
export function postgresBus({ url, connections = 4, pace: given, trimEvery = 60_000, log = () => undefined }: PostgresBusOptions): Bus {
  const pace = { ...defaultPace, poll: 1000, heartbeat: 2500, ...given }
  const pool = new pg.Pool({ connectionString: url, max: connections, application_name: 'rondo bus', connectionTimeoutMillis: 5000 })
  // An idle connection that breaks: whoever needs one gets a new one.
  pool.on('error', (error) => log('warn', 'a connection of the bus was lost', { error: error.message }))
  const session = openSession(url, log)
  const store = createStore(pool, log)
  const outbox = createOutbox(store, requestLimits)
  const consumers = new Set<Consumer>()
  let closed = false
  let trimming: Promise<void> | undefined
  const whileOpen = () => {
    if (closed) throw new BusError('closed', 'the bus is closed')
  }

  const trim = async (): Promise<void> => {
    try {
      await store.trim()
    } catch (error) {
      log('warn', 'records past their retention could not be deleted', { error: asError(error).message })
    }
    trimming = undefined
  }
  const trimTimer = setInterval(() => {
    trimming ??= trim()
  }, trimEvery)
  // A bus that was never closed must not keep a process alive for its housekeeping.
  trimTimer.unref()

  return {
    async ensure(topics) {
      whileOpen()
      await store.ensure(topics)
    },
    send: outbox.send,
    async tail(topic, partition) {
      whileOpen()
      return store.last(topic, partition)
    },
    async bounds(topic) {
      whileOpen()
      return store.bounds(topic)
    },
    async topicId(topic) {
      whileOpen()
      return (await store.topic(topic, true)).id
    },
    async consume(options) {
      whileOpen()
      const consumer = consumePostgres(pool, session, store, options, pace, log)
      const tracked: Consumer = {
        get paused() {
          return consumer.paused
        },
        resume: consumer.resume,
        async stop() {
          consumers.delete(tracked)
          await consumer.stop()
        },
      }
      consumers.add(tracked)
      return tracked
    },
    async close() {
      if (closed) return
      closed = true
      clearInterval(trimTimer)
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
      await outbox.close()
      await trimming
      await session.close()
      await pool.end()
    },
  }
}
