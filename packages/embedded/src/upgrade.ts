import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import { carrier, carry } from './carry.ts'
import { olderPrograms } from './older-programs.ts'
import { claim, findServer, initialise, type Place, type Server, startServer, stopServer, urlOf } from './server.ts'
import { StartError } from './start-error.ts'
import { finishSwap, nextOf, noteSwap } from './swap.ts'

export interface Cluster {
  /** Of the owner. */
  readonly url: string
  /** What PostgreSQL calls its system identifier: each cluster has its own. */
  readonly system: string
}

export interface Upgrading {
  /** Makes in the new cluster the tables that the old one has, as the migrations made them there; may be called again. */
  tables(old: Cluster, next: Cluster): Promise<void>
  /** What lies beside the data and knows the cluster by its system identifier is to know the new one too; may be called again. */
  succeeds(old: Cluster, next: Cluster): Promise<void>
  /** Progress, a line each. */
  say(text: string): void
  /** The folder with `postgres` and `pg_ctl` of the old version; otherwise npm fetches it. */
  readonly oldPrograms?: string | undefined
}

interface Majors {
  readonly from: number
  readonly to: number
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(entries.filter((one) => one.isFile()).map((one) => stat(join(one.parentPath, one.name))))
  return sizes.reduce((sum, { size }) => sum + size, 0)
}

/** The copy takes as much again, and what a cluster of its own takes. */
async function checkSpace({ folder, data }: Place, { from }: Majors): Promise<void> {
  const needed = Math.round((await sizeOf(data)) * 1.1) + 200e6
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  if (free >= needed) return
  throw new StartError(
    `carrying the data of PostgreSQL ${from} over takes ${megabytes(needed)} beside them until the old ones are deleted, and ${folder} has ${megabytes(free)} free: make room, or move the folder and name it by RONDO_DATA_DIR; nothing was changed`,
  )
}

/** Alone on a server that was started for this and takes no writes. */
async function startOld(old: Place, password: string): Promise<Server> {
  const left = await findServer(old, password)
  if (left) {
    // Of an instance that was killed, unless it lives: then it keeps its data
    await claim(left.client, old).finally(() => left.client.end())
    await stopServer(old)
  }
  const server = await startServer(old, password, ['default_transaction_read_only=on', 'autovacuum=off'])
  await claim(server.client, old)
  return server
}

/** A server that writes in bulk: rows of a table that was emptied in the same transaction need no log. */
async function startNext(next: Place, password: string): Promise<Server> {
  const left = await findServer(next, password)
  if (left) {
    await left.client.end()
    await stopServer(next)
  }
  await initialise(next, password)
  return startServer(next, password, ['wal_level=minimal', 'max_wal_senders=0', 'autovacuum=off'])
}

async function clusterOf({ client, port }: Server, password: string): Promise<Cluster> {
  const { rows } = await client.query<{ system: string }>('select system_identifier::text as system from pg_control_system()')
  return { url: urlOf(port, password), system: rows[0]?.system ?? '' }
}

async function carryAll(old: Cluster, next: Cluster, say: Upgrading['say']): Promise<void> {
  const clients: pg.Client[] = []
  try {
    for (const { url } of [old, next]) clients.push(await carrier(url))
    const [from, to] = clients
    if (from && to) await carry(from, to, say)
  } finally {
    for (const client of clients) await client.end()
  }
}

/** Ends a server that was started here, whatever became of the work. */
async function end(place: Place, server: Server): Promise<void> {
  // Its connection may be gone already; the server is stopped either way
  await server.client.end().catch(() => undefined)
  await stopServer(place)
}

/**
 * Carries the data of an older major version over: a new cluster is made beside the old one, filled, compared, and put in its place.
 * Until then the old one is only read; afterwards it stays under another name. Goes on from wherever an earlier try was ended.
 * Rejects with a StartError where it cannot be done.
 */
export async function upgrade(place: Place, majors: Majors, password: string, upgrading: Upgrading): Promise<void> {
  const { from, to } = majors
  const { say } = upgrading
  say(`the data were written by PostgreSQL ${from}: carrying them over to ${to}, once`)
  const programs = await olderPrograms({ dataDir: place.folder, major: from, given: upgrading.oldPrograms, say })
  const [older, newer] = [{ ...place, programs }, nextOf(place)]
  await checkSpace(older, majors)
  const oldServer = await startOld(older, password)
  try {
    const nextServer = await startNext(newer, password)
    try {
      const [old, next] = [await clusterOf(oldServer, password), await clusterOf(nextServer, password)]
      say('making the tables')
      await upgrading.tables(old, next)
      await carryAll(old, next, say)
      await upgrading.succeeds(old, next)
    } finally {
      await end(newer, nextServer)
    }
    const kept = await noteSwap(place, from)
    say(`all is carried over; the old data stay in ${join(place.folder, kept)} until you delete them`)
  } finally {
    await end(older, oldServer)
  }
  await finishSwap(place, password)
}
