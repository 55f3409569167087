import type { Sql } from '@rondo/reaction'
import pg from 'pg'
import { checkedName, type Log } from '../database.ts'
import { isDown, reaching } from '../failure.ts'

/** A service's own schema, which is the first (and only) one on the search path of each connection. */
export interface Schema {
  readonly service: string
  readonly pool: pg.Pool
  readonly log: Log
}

export type Queryable = Pick<pg.Pool, 'query'>

/** A pool of the service's role. Limits in milliseconds: 5,000 to connect, 30,000 for a statement. */
export function servicePool(url: string, service: string, max: number, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    keepAlive: true,
    application_name: `rondo ${service}`,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 30_000,
    query_timeout: 35_000,
    idle_in_transaction_session_timeout: 60_000,
    options: `-c search_path=${checkedName(service, 'service')}`,
  })
  pool.on('error', (error) => log.warn({ service, error: error.message }, 'an idle connection to the database broke'))
  return pool
}

/**
 * Of a server and the ledger's tables on it: another one wherever a copy can have taken their place, as that needs a server that starts, or
 * tables that are filled anew.
 */
export const incarnation = `extract(epoch from pg_postmaster_start_time()) || '/' || pg_relation_filenode('head')`

export const sqlOf =
  (queryable: Queryable): Sql =>
  async <Row>(text: string, values: readonly unknown[] = []) =>
    (await reaching(queryable.query(text, [...values]))).rows as readonly Row[]

/** A connection of the pool while it is somebody's. One that broke, or was given up, is thrown away in the end. */
class Taken {
  isBroken = false
  uses = 0
  readonly client: pg.PoolClient

  constructor(client: pg.PoolClient) {
    this.client = client
    // The pool listens to idle connections only; one that breaks between two statements would end the process
    client.on('error', this.giveUp)
  }

  readonly giveUp = (): void => {
    this.isBroken = true
  }

  release(): void {
    this.client.off('error', this.giveUp)
    this.client.release(this.isBroken)
  }
}

const take = async (pool: pg.Pool): Promise<Taken> => new Taken(await pool.connect())

async function using<T>(taken: Taken, work: (client: pg.PoolClient, giveUp: () => void) => Promise<T>): Promise<T> {
  try {
    return await work(taken.client, taken.giveUp)
  } catch (error) {
    if (isDown(error)) taken.giveUp()
    throw error
  }
}

/**
 * On one connection of the pool, which stays open whatever a statement was refused for: the pool's own `query` ends it after each error, and
 * a batch that lost to another writer would pay for a new one.
 */
async function connected<T>(pool: pg.Pool, work: (client: pg.PoolClient, giveUp: () => void) => Promise<T>): Promise<T> {
  const taken = await take(pool)
  try {
    return await using(taken, work)
  } finally {
    taken.release()
  }
}

/**
 * As `connected`, for what mostly comes again at once: the connection is kept for a moment, in which whoever was answered brings the next. (To
 * take one from the pool and give it back is a tenth of what a single write takes of the thread.) `keptMs`: milliseconds.
 */
export function keepingOne(pool: pg.Pool, keptMs = 5): <T>(work: (client: pg.PoolClient) => Promise<T>) => Promise<T> {
  let kept: Taken | undefined
  let isWatched = false
  /** Nobody else's from then on; none where it broke meanwhile. */
  const taken = () => {
    const own = kept
    kept = undefined
    if (own?.isBroken) own.release()
    return own?.isBroken ? undefined : own
  }
  const watch = (before: number) => {
    isWatched = true
    setTimeout(() => {
      isWatched = false
      if (kept && kept.uses > before) watch(kept.uses)
      else taken()?.release()
    }, keptMs)
  }
  return async (work) => {
    const own = taken() ?? (await take(pool))
    try {
      own.uses++
      return await using(own, work)
    } finally {
      if (own.isBroken || kept) own.release()
      else {
        kept = own
        if (!isWatched) watch(own.uses)
      }
    }
  }
}

/** Commits what `work` did, or nothing. */
export function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return connected(pool, async (client, giveUp) => {
    await client.query('begin')
    try {
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      if (!isDown(error)) await client.query('rollback').catch(giveUp)
      throw error
    }
  })
}
