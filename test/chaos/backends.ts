import { eventually } from '@rondo/testkit/eventually'
import pg from 'pg'

export interface Backend {
  readonly pid: number
  readonly service: string
}

/** What the owner of the database sees, asked anew for each look: the server may have been killed in between. */
export async function asked<Row extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000, query_timeout: 120_000 })
  // A server that goes away while it is asked: the query says so
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(sql, [...values])).rows
  } finally {
    await client.end()
  }
}

/** Looks until it finds a service's connection that is at work on the ledger. */
const atWork = `
  select pid, substr(application_name, 7) as service from pg_stat_activity
  where datname = current_database() and application_name like 'rondo %' and state <> 'idle' and pid <> pg_backend_pid()
    and application_name = any($1) and query not like '%pg_control_system%'
  order by query ~ 'append(_one)?\\(' desc, random() limit 1`
/** In one statement: what is looked at first may be over when it is ended. */
const endedAtWork = `with victim as (${atWork}) select pid, service, pg_terminate_backend(pid) as done from victim`

/** Ends the connection of one of these services while it is at work; undefined where none was within two seconds. */
export async function terminated(url: string, services: () => readonly string[]): Promise<Backend | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000, query_timeout: 3000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await eventually(
      async () => {
        const names = services().map((service) => `rondo ${service}`)
        if (names.length === 0) return undefined
        const { rows } = await client.query<Backend & { done: boolean }>(endedAtWork, [names])
        return rows.find(({ done }) => done)
      },
      { within: 2000, every: 5 },
    ).catch(() => undefined) // nobody was at work
  } finally {
    await client.end()
  }
}

/** Any connection at work, for a SIGKILL from outside. */
export async function oneAtWork(url: string, services: readonly string[]): Promise<Backend | undefined> {
  const [found] = await asked<Backend & pg.QueryResultRow>(url, atWork, [services.map((service) => `rondo ${service}`)])
  return found
}
