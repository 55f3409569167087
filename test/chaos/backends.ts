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
  order by query like '%append(%' desc, random() limit 1`

/** Ends the connection of one of these services while it is at work; undefined where none was within two seconds. */
export async function terminated(
  url: string,
  services: readonly string[],
  fits: (service: string) => boolean,
): Promise<Backend | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000, query_timeout: 3000 })
  client.on('error', () => undefined)
  await client.connect()
  const names = services.map((service) => `rondo ${service}`)
  try {
    return await eventually(
      async () => {
        const { rows } = await client.query<Backend>(atWork, [names])
        const [victim] = rows
        if (!victim || !fits(victim.service)) return undefined
        const { rows: ended } = await client.query<{ done: boolean }>('select pg_terminate_backend($1) as done', [victim.pid])
        return ended[0]?.done ? victim : undefined
      },
      { within: 2000, every: 1 },
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
