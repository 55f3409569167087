import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { SystemUser } from './programs.ts'
import { StartError } from './start-error.ts'

const run = promisify(execFile)

/** A cluster of a data folder, and what runs it. */
export interface Place {
  /** The data folder of Rondo. */
  readonly folder: string
  /** The cluster's own, in it. */
  readonly data: string
  /** Whom the server runs as; undefined: as ourselves. */
  readonly user: SystemUser | undefined
  /** The folder with `initdb`, `pg_ctl` and `postgres`. */
  readonly programs: string
}

const owner = 'rondo'
/** Held by the one live instance as a session lock: it dies with its holder, whatever killed it. */
const instanceLock = 7_266_660
/** What an instance's sessions are called, before the number of its process. */
const instanceName = 'rondo instance'
/** What PostgreSQL says where it waited for a lock as long as it may. */
const lockNotAvailable = '55P03'

const options = ({ user, folder }: Place) => ({
  cwd: folder,
  ...(user ? { uid: user.uid, gid: user.gid } : {}),
  env: { ...process.env, LC_ALL: 'C' },
})
export const said = (error: unknown): string => {
  const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message?: string }
  return (stderr?.trim() || stdout?.trim() || message || String(error)).split('\n').slice(-3).join(' ')
}

/** The owner's password: made once, readable by us alone. */
export async function passwordOf({ folder }: Place): Promise<string> {
  const file = join(folder, 'postgres-password')
  if (!existsSync(file)) await writeFile(file, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' })
  return (await readFile(file, 'utf8')).trim()
}

/** Drafts of a cluster that whoever began them did not live to finish. */
async function removeDrafts({ folder }: Place): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid] = /^\.initdb-(\d+)(?:-password)?$/.exec(name) ?? []
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Makes the cluster where there is none: whole or not at all, so that no half of one is started on later. */
export async function initialise(place: Place, password: string): Promise<void> {
  if (existsSync(join(place.data, 'PG_VERSION'))) return
  await removeDrafts(place)
  const draft = join(place.folder, `.initdb-${process.pid}`)
  const passwordFile = `${draft}-password`
  await writeFile(passwordFile, password, { mode: 0o600 })
  await mkdir(draft, { mode: 0o700, recursive: true })
  if (place.user) for (const path of [passwordFile, draft]) await chown(path, place.user.uid, place.user.gid)
  try {
    await run(
      join(place.programs, 'initdb'),
      ['-D', draft, '-E', 'UTF8', '--locale=C', '-A', 'scram-sha-256', '-U', owner, `--pwfile=${passwordFile}`],
      options(place),
    )
    await rename(draft, place.data)
  } catch (error) {
    throw new StartError(`PostgreSQL could not be set up in ${place.data}: ${said(error)}`)
  } finally {
    await rm(passwordFile)
    await rm(draft, { recursive: true, force: true })
  }
}

export const urlOf = (port: number, password: string) => `postgres://${owner}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`

/** A client where a server with these data answers, undefined where none does. */
export async function connect(url: string, data: string): Promise<pg.Client | undefined> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 3000,
    application_name: `${instanceName} ${process.pid}`,
    keepAlive: true,
  })
  // It tells of itself when it is used next; an idle end is no reason to die
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ data_directory: string }>('show data_directory')
    if (rows[0]?.data_directory === data) return client
  } catch {
    // Nobody there, or somebody else's: the port of a stale file may be anybody's now
  }
  // What did not connect cannot be closed either
  await client.end().catch(() => undefined)
  return undefined
}

/** The port that a running server wrote down: the fourth line of its pid file. */
async function runningPort({ data }: Place): Promise<number | undefined> {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return undefined
  const port = Number((await readFile(file, 'utf8')).split('\n')[3])
  return Number.isInteger(port) && port > 0 ? port : undefined
}

async function freePort(): Promise<number> {
  const server = createServer()
  const { promise, resolve: done, reject } = Promise.withResolvers<number>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => done(address && typeof address === 'object' ? address.port : 0))
  })
  return promise
}

async function launch(place: Place, port: number, more: readonly string[]): Promise<void> {
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200', ...more].map((one) => `-c ${one}`)
  try {
    // pg_ctl puts the server into a session of its own: Ctrl-C reaches us first, and we stop it after our work is done
    await run(
      join(place.programs, 'pg_ctl'),
      ['start', '-w', '-t', '60', '-D', place.data, '-l', join(place.data, 'server.log'), '-o', `-p ${port} ${settings.join(' ')}`],
      options(place),
    )
  } catch (error) {
    throw new StartError(`PostgreSQL did not start on ${place.data}: ${said(error)}; its log is ${join(place.data, 'server.log')}`)
  }
}

/** Milliseconds within which a server has seen that an instance which was killed is gone: it looks when it has done what it was asked for. */
const goneWithin = 10_000

/** Takes the instance's lock on this session. Refuses where another live instance has it. */
export async function claim(client: pg.Client, { folder }: Place): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [instanceLock])
  if (rows[0]?.taken) return
  const holder = await holderOf(client)
  if (isLive(holder) || !(await claimsLater(client))) {
    const who = holder?.replace(instanceName, 'process') ?? 'another process'
    throw new StartError(`Rondo is running on ${folder} already (${who}): stop it first, or give this one its own folder by RONDO_DATA_DIR`)
  }
}

/** What the session that has the instance's lock is called. */
async function holderOf(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ application_name: string }>(
    'select a.application_name from pg_locks l join pg_stat_activity a using (pid) where l.locktype = $1 and l.objid = $2 and l.granted',
    ['advisory', instanceLock],
  )
  return rows[0]?.application_name
}

/** As far as it can be seen from here: a process of another container is not. */
function isLive(holder: string | undefined): boolean {
  const pid = Number(holder?.slice(instanceName.length))
  if (!pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Whether the lock became free in time. */
async function claimsLater(client: pg.Client): Promise<boolean> {
  await client.query(`set lock_timeout = ${goneWithin}`)
  try {
    await client.query('select pg_advisory_lock($1)', [instanceLock])
    return true
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === lockNotAvailable) return false
    throw error
  } finally {
    await client.query('reset lock_timeout')
  }
}

export async function stopServer(place: Place): Promise<void> {
  await run(join(place.programs, 'pg_ctl'), ['stop', '-m', 'fast', '-w', '-t', '60', '-D', place.data], options(place))
}

/** A server, and the connection that found it. */
export interface Server {
  readonly client: pg.Client
  readonly port: number
}

/** The one that runs on these data, left behind by an instance that died or of one that lives. */
export async function findServer(place: Place, password: string): Promise<Server | undefined> {
  const port = await runningPort(place)
  const client = port === undefined ? undefined : await connect(urlOf(port, password), place.data)
  return client && port !== undefined ? { client, port } : undefined
}

/** `settings`: `name=value`, beside the usual ones. */
export async function startServer(place: Place, password: string, settings: readonly string[] = []): Promise<Server> {
  const port = await freePort()
  await launch(place, port, settings)
  const client = await connect(urlOf(port, password), place.data)
  if (client) return { client, port }
  throw new StartError(
    `PostgreSQL started on ${place.data} but does not answer on port ${port}; its log is ${join(place.data, 'server.log')}`,
  )
}
