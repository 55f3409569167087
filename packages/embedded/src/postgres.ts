import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, chown, constants, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { passable, postgresPrograms, type SystemUser, serverUser } from './programs.ts'

const run = promisify(execFile)

/** Why it cannot start, as one sentence for whoever started it. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

export interface EmbeddedPostgres {
  /** Of the owner. */
  readonly url: string
  /** Whether it was found running, left behind by an instance that died. */
  readonly adopted: boolean
  /** Ends the server (connections are closed, nothing is lost). */
  stop(): Promise<void>
}

interface Place {
  readonly folder: string
  readonly data: string
  readonly user: SystemUser | undefined
  readonly programs: string
}

const owner = 'rondo'
/** Held by the one live instance as a session lock: it dies with its holder, whatever killed it. */
const instanceLock = 7_266_660

async function preparePlace(dataDir: string): Promise<Place> {
  const folder = resolve(dataDir)
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 })
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new StartError(
      `${folder} cannot be written (${error instanceof Error && 'code' in error ? error.code : error}): make it writable or choose another folder by RONDO_DATA_DIR`,
    )
  }
  const user = serverUser()
  const data = join(folder, 'postgres')
  if (user && !passable(join(folder, 'x')))
    throw new StartError(
      `${folder} lies below a folder that only root may enter, and PostgreSQL does not run as root: choose another by RONDO_DATA_DIR, e.g. /var/lib/rondo`,
    )
  return { folder, data, user, programs: await postgresPrograms() }
}

const options = ({ user, folder }: Place) => ({
  cwd: folder,
  ...(user ? { uid: user.uid, gid: user.gid } : {}),
  env: { ...process.env, LC_ALL: 'C' },
})
const said = (error: unknown): string => {
  const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message?: string }
  return (stderr?.trim() || stdout?.trim() || message || String(error)).split('\n').slice(-3).join(' ')
}

/** The owner's password: made once, readable by us alone. */
async function passwordOf({ folder }: Place): Promise<string> {
  const file = join(folder, 'postgres-password')
  if (!existsSync(file)) await writeFile(file, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' })
  return (await readFile(file, 'utf8')).trim()
}

async function initialise(place: Place, password: string): Promise<void> {
  if (existsSync(join(place.data, 'PG_VERSION'))) return
  const passwordFile = join(place.folder, `.initdb-${process.pid}`)
  await writeFile(passwordFile, password, { mode: 0o600 })
  await mkdir(place.data, { mode: 0o700, recursive: true })
  if (place.user) {
    await chown(passwordFile, place.user.uid, place.user.gid)
    await chown(place.data, place.user.uid, place.user.gid)
  }
  try {
    await run(
      join(place.programs, 'initdb'),
      ['-D', place.data, '-E', 'UTF8', '--locale=C', '-A', 'scram-sha-256', '-U', owner, `--pwfile=${passwordFile}`],
      options(place),
    )
  } catch (error) {
    throw new StartError(`PostgreSQL could not be set up in ${place.data}: ${said(error)}`)
  } finally {
    await rm(passwordFile)
  }
}

const urlOf = (port: number, password: string) => `postgres://${owner}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`

/** A client where a server with these data answers, undefined where none does. */
async function connect(url: string, data: string): Promise<pg.Client | undefined> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 3000,
    application_name: `rondo instance ${process.pid}`,
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

async function launch(place: Place, port: number): Promise<void> {
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200`
  try {
    // pg_ctl puts the server into a session of its own: Ctrl-C reaches us first, and we stop it after our work is done
    await run(
      join(place.programs, 'pg_ctl'),
      ['start', '-w', '-t', '60', '-D', place.data, '-l', join(place.data, 'server.log'), '-o', settings],
      options(place),
    )
  } catch (error) {
    throw new StartError(`PostgreSQL did not start on ${place.data}: ${said(error)}; its log is ${join(place.data, 'server.log')}`)
  }
}

/** Takes the instance's lock on this session. Refuses where another live instance has it. */
async function claim(client: pg.Client, { folder }: Place): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [instanceLock])
  if (rows[0]?.taken) return
  const { rows: holders } = await client.query<{ application_name: string }>(
    'select a.application_name from pg_locks l join pg_stat_activity a using (pid) where l.locktype = $1 and l.objid = $2 and l.granted',
    ['advisory', instanceLock],
  )
  const holder = holders[0]?.application_name.replace('rondo instance', 'process') ?? 'another process'
  throw new StartError(
    `Rondo is running on ${folder} already (${holder}): stop it first, or give this one its own folder by RONDO_DATA_DIR`,
  )
}

async function stopServer(place: Place): Promise<void> {
  await run(join(place.programs, 'pg_ctl'), ['stop', '-m', 'fast', '-w', '-t', '30', '-D', place.data], options(place))
}

async function connectedOrLaunched(place: Place, password: string): Promise<{ client: pg.Client; port: number; adopted: boolean }> {
  const before = await runningPort(place)
  const orphan = before === undefined ? undefined : await connect(urlOf(before, password), place.data)
  if (orphan && before !== undefined) return { client: orphan, port: before, adopted: true }
  const port = await freePort()
  await launch(place, port)
  const client = await connect(urlOf(port, password), place.data)
  if (!client)
    throw new StartError(
      `PostgreSQL started on ${place.data} but does not answer on port ${port}; its log is ${join(place.data, 'server.log')}`,
    )
  return { client, port, adopted: false }
}

/**
 * The PostgreSQL of the data folder: initialised where there is none yet, adopted where an instance that died left it running.
 * Rejects with a StartError where the folder cannot be used or a live instance uses it.
 */
export async function startPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  const place = await preparePlace(dataDir)
  const password = await passwordOf(place)
  await initialise(place, password)
  const { client, port, adopted } = await connectedOrLaunched(place, password)
  try {
    await claim(client, place)
  } catch (error) {
    await client.end()
    throw error
  }
  return {
    url: urlOf(port, password),
    adopted,
    async stop() {
      // The lock's connection may be gone already; the server is stopped either way
      await client.end().catch(() => undefined)
      await stopServer(place)
    },
  }
}
