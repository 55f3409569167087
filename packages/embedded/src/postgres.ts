import { access, constants, mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { passable, postgresPrograms, serverUser } from './programs.ts'
import { claim, findServer, initialise, type Place, passwordOf, startServer, stopServer, urlOf } from './server.ts'
import { StartError } from './start-error.ts'
import { finishSwap } from './swap.ts'
import { type Upgrading, upgrade } from './upgrade.ts'
import { majorOfData, majorOfPrograms } from './version.ts'

export interface EmbeddedPostgres {
  /** Of the owner. */
  readonly url: string
  /** Whether it was found running, left behind by an instance that died. */
  readonly adopted: boolean
  /** Ends the server (connections are closed, nothing is lost). */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** What carries data of an older major version over; without it they are refused, and left as they are. */
  readonly upgrading?: Upgrading
  /** The folder with `initdb`, `pg_ctl` and `postgres`, instead of those that come with Rondo. */
  readonly programs?: string
}

async function preparePlace(dataDir: string, programs: string | undefined): Promise<Place> {
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
  if (user && !passable(join(folder, 'x')))
    throw new StartError(
      `${folder} lies below a folder that only root may enter, and PostgreSQL does not run as root: choose another by RONDO_DATA_DIR, e.g. /var/lib/rondo`,
    )
  return { folder, data: join(folder, 'postgres'), user, programs: programs ?? (await postgresPrograms()) }
}

/** Data of an older major version are carried over; those of a newer one are refused. */
async function ofThisMajor(place: Place, password: string, upgrading: Upgrading | undefined): Promise<void> {
  const [has, runs] = [await majorOfData(place.data), await majorOfPrograms(place.programs)]
  if (has === undefined || has === runs) return
  if (has > runs)
    throw new StartError(
      `${place.data} was written by PostgreSQL ${has} and this version of Rondo brings ${runs}: start the newer version of Rondo again`,
    )
  if (!upgrading)
    throw new StartError(`${place.data} was written by PostgreSQL ${has} and has to be carried over to ${runs}: "npm start" does so`)
  await upgrade(place, { from: has, to: runs }, password, upgrading)
}

/**
 * The PostgreSQL of the data folder: initialised where there is none yet, adopted where an instance that died left it running, carried
 * over to this major version where an older one wrote it.
 * Rejects with a StartError where the folder cannot be used or a live instance uses it.
 */
export async function startPostgres(dataDir: string, { upgrading, programs }: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  const place = await preparePlace(dataDir, programs)
  const password = await passwordOf(place)
  await finishSwap(place, password)
  await ofThisMajor(place, password, upgrading)
  await initialise(place, password)
  const found = await findServer(place, password)
  const { client, port } = found ?? (await startServer(place, password))
  try {
    await claim(client, place)
  } catch (error) {
    await client.end()
    throw error
  }
  return {
    url: urlOf(port, password),
    adopted: found !== undefined,
    async stop() {
      // The lock's connection may be gone already; the server is stopped either way
      await client.end().catch(() => undefined)
      await stopServer(place)
    },
  }
}
