import pg from 'pg'
import { asError } from '../error.ts'
import { Openness } from '../openness.ts'
import { Outbox } from '../outbox.ts'
import { type Bus, defaultPace, type Log } from '../port.ts'
import { type PollPace, PostgresMember } from './consumer.ts'
import { openSession } from './session.ts'
import { PostgresStore } from './store.ts'

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
  const pace = { ...defaultPace, poll: 2500, heartbeat: 2500, ...given }
  const pool = new pg.Pool({ connectionString: url, max: connections, application_name: 'rondo bus', connectionTimeoutMillis: 5000 })
  // An idle connection that breaks: whoever needs one gets a new one.
  pool.on('error', (error) => log('warn', 'a connection of the bus was lost', { error: error.message }))
  const session = openSession(url, log)
  const store = new PostgresStore(pool, log)
  const outbox = new Outbox(store, requestLimits)
  const open = new Openness()

  let trimming: Promise<void> | undefined
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
      open.check()
      await store.ensure(topics)
    },
    send: (topic, records) => outbox.send(topic, records),
    async limit(topic) {
      open.check()
      return outbox.limit(topic)
    },
    async last(topic, partition, most) {
      open.check()
      return store.last(topic, partition, most)
    },
    async bounds(topic) {
      open.check()
      return store.bounds(topic)
    },
    async topicId(topic) {
      open.check()
      return (await store.facts(topic, true)).id
    },
    async consume(options) {
      open.check()
      return open.add(new PostgresMember({ pool, session, store, pace, log }, options))
    },
    async close() {
      if (!(await open.close())) return
      clearInterval(trimTimer)
      await outbox.close()
      await trimming
      await session.close()
      await pool.end()
    },
  }
}
