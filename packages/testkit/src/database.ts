import { createHash, randomUUID } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { engine } from './needs.ts'
import { repositoryRoot } from './test-data.ts'

export interface Template {
  /** Names what is in it; prepared once for each engine of a run, then cloned. */
  readonly name: string
  /** Brings an empty database to the state that the tests begin with; must have closed its connections when it resolves. */
  prepare(url: string): Promise<void>
}

export interface DatabaseOptions {
  /** PostgreSQL 18 unless told. */
  readonly major?: 15 | 18
  readonly template?: Template
}

const within = (url: string, database: string): string => {
  const address = new URL(url)
  address.pathname = `/${database}`
  return address.href
}

async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Statements about databases, from beside the given one: it can be neither copied nor replaced while anybody is in it. */
export async function administer(url: string, ...statements: readonly string[]): Promise<void> {
  await withClient(within(url, 'postgres'), async (client) => {
    for (const statement of statements) await client.query(statement)
  })
}

/** Of all tables that this tree makes: an engine that outlives the run, or serves another tree too, may hold those of other ones. */
function versionOfTables(): string {
  const root = repositoryRoot()
  const hash = createHash('sha1')
  for (const file of globSync('{packages,services}/*/{migrations,sql,test/migrations}/*.sql', { cwd: root }).sort())
    hash.update(file).update(readFileSync(join(root, file)))
  return hash.digest('hex').slice(0, 12)
}

/** Made by the first that asks; the others wait for it on an advisory lock. */
async function prepared(url: string, client: pg.Client, { name, prepare }: Template): Promise<string> {
  const template = `template_${name.replaceAll(/[^a-z0-9_]/g, '_')}_${versionOfTables()}`
  await client.query('select pg_advisory_lock(hashtext($1))', [template])
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [template])
    if (rowCount === 0) {
      const draft = `${template}_draft`
      await client.query(`drop database if exists ${draft}`)
      await client.query(`create database ${draft} template template0`)
      await prepare(within(url, draft))
      await client.query(`alter database ${draft} rename to ${template}`)
    }
  } finally {
    await client.query('select pg_advisory_unlock(hashtext($1))', [template])
  }
  return template
}

/**
 * A new database for a test file; the URL of its owner (a superuser where the run's PostgreSQL was started for it).
 * It goes with the run's data. Roles belong to the whole engine: make them so that another file may make the same ones.
 */
export async function freshDatabase({ major = 18, template }: DatabaseOptions = {}): Promise<string> {
  const { address } = engine(`postgres${major}`)
  const name = `test_${randomUUID().replaceAll('-', '').slice(0, 16)}`
  await withClient(address, async (client) => {
    const from = template === undefined ? 'template0' : await prepared(address, client, template)
    // Cloning a file copy at a time is quicker for small databases, and keeps the write-ahead log short.
    await client.query(`create database ${name} template ${from} strategy file_copy`)
  })
  return within(address, name)
}
