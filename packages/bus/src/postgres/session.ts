import pg from 'pg'
import { asError } from '../error.ts'
import type { Log } from '../port.ts'

const channels = { records: 'rondo_bus_records', groups: 'rondo_bus_groups' } as const
type Channel = keyof typeof channels

export interface Ear {
  /** Records were appended to the topic. */
  onRecords(topic: string): void
  /** Somebody came to the group, left it, or let go of a partition. */
  onGroup(group: string): void
  /** The session is gone, and with it the locks by which members live. */
  onLost(): void
  /** There is a session (again). */
  onBack(): void
}

export interface Session {
  /** The living connection, if there is one; it takes one statement at a time, see `query`. */
  readonly client: pg.Client | undefined
  /** After what others are asking of the connection. */
  query<Row extends pg.QueryResultRow>(on: pg.Client, text: string, values: readonly unknown[]): Promise<readonly Row[]>
  add(ear: Ear): void
  remove(ear: Ear): void
  close(): Promise<void>
}

export const notifyStatement = `select pg_notify('${channels.records}', topic) from unnest($1::text[]) topic`
export const notifyGroupStatement = `select pg_notify('${channels.groups}', $1)`

const retryAfter_ms = 300

/** One connection of a bus that listens and holds its members' locks; made anew when it is lost. */
export function openSession(url: string, log: Log): Session {
  const ears = new Set<Ear>()
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined
  let connecting: Promise<void> | undefined
  let closed = false
  let last: Promise<unknown> = Promise.resolve()

  const tell: Record<Channel, (ear: Ear, payload: string) => void> = {
    records: (ear, topic) => ear.onRecords(topic),
    groups: (ear, group) => ear.onGroup(group),
  }

  const lost = (which: pg.Client, error?: Error): void => {
    if (which !== client && client !== undefined) return
    client = undefined
    if (closed) return
    log('warn', 'the listening connection of the bus was lost', { error: error?.message ?? 'it was closed' })
    for (const ear of ears) ear.onLost()
    again()
  }

  const again = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      connecting = connect()
    }, retryAfter_ms)
  }

  const connect = async (): Promise<void> => {
    const next = new pg.Client({
      connectionString: url,
      application_name: 'rondo bus session',
      keepAlive: true,
      connectionTimeoutMillis: 5000,
    })
    let live = false
    const down = (error?: Error) => {
      if (!live) return
      live = false
      lost(next, error)
    }
    next.on('error', down)
    next.on('end', down)
    next.on('notification', ({ channel, payload = '' }) => {
      for (const [name, say] of Object.entries(tell)) {
        if (channels[name as Channel] === channel) for (const ear of ears) say(ear, payload)
      }
    })
    try {
      await next.connect()
      await next.query(`listen ${channels.records}; listen ${channels.groups}`)
      if (closed) return await next.end()
      live = true
      client = next
      for (const ear of ears) ear.onBack()
    } catch (error) {
      log('warn', 'the bus cannot listen', { error: asError(error).message })
      next.end().catch(() => undefined) // it never was a connection, or is none any more
      if (!closed) again()
    }
  }

  return {
    get client() {
      return client
    },
    async query<Row extends pg.QueryResultRow>(on: pg.Client, text: string, values: readonly unknown[]) {
      const asked = last.then(() => on.query<Row>(text, [...values]))
      last = asked.catch(() => undefined) // whoever asked is told
      return (await asked).rows
    },
    add(ear) {
      ears.add(ear)
      if (client !== undefined) ear.onBack()
      else connecting ??= connect()
    },
    remove: (ear) => void ears.delete(ear),
    async close() {
      closed = true
      clearTimeout(timer)
      await connecting
      const living = client
      client = undefined
      await living?.end()
    },
  }
}
