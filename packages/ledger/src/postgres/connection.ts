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

/**
 * On one connection of the pool, which stays open whatever a statement was refused for: the pool's own `query` ends it after each error, and
 * a batch that lost to another writer would pay for a new one. One that broke, or that `work` has given up, is thrown away.
 */
export async function connected<T>(pool: pg.Pool, work: (client: pg.PoolClient, giveUp: () => void) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken = false
  // The pool listens to idle connections only; one that breaks between two statements would end the process
  const giveUp = () => {
    broken = true
  }
  client.on('error', giveUp)
  try {
    return await work(client, giveUp)
  } catch (error) {
    if (isDown(error)) giveUp()
    throw error
  } finally {
    client.off('error', giveUp)
    client.release(broken)
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
