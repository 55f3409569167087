import { existsSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findServer, type Place, stopServer } from './server.ts'
import { StartError } from './start-error.ts'

/*
 * Two folders cannot change places in one step. So what is to be done is written down first; whoever starts next finishes it.
 */

const noteOf = ({ folder }: Place) => join(folder, 'postgres-swap.json')
/** Where the new cluster is made, beside the old one. */
export const nextOf = (place: Place): Place => ({ ...place, data: join(place.folder, 'postgres-next') })

async function durable(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The name under which the old cluster stays; another one's is never taken. */
function keptName({ folder }: Place, from: number): string {
  for (let count = 1; ; count += 1) {
    const name = `postgres-${from}-before-upgrade${count === 1 ? '' : `-${count}`}`
    if (!existsSync(join(folder, name))) return name
  }
}

/** Decides it: from here on the new cluster is the one. Resolves with the name that the old one will have. */
export async function noteSwap(place: Place, from: number): Promise<string> {
  const kept = keptName(place, from)
  const draft = `${noteOf(place)}.${process.pid}`
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(JSON.stringify({ kept }))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, noteOf(place))
  await durable(place.folder)
  return kept
}

async function stopped(place: Place, password: string): Promise<void> {
  const left = await findServer(place, password)
  if (!left) return
  await left.client.end()
  await stopServer(place)
}

/** Does what was noted, from wherever an earlier try has come to; nothing where nothing was noted. */
export async function finishSwap(place: Place, password: string): Promise<void> {
  const file = noteOf(place)
  if (!existsSync(file)) return
  const note: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (typeof note !== 'object' || note === null || !('kept' in note) || typeof note.kept !== 'string')
    throw new StartError(`${file} must hold {"kept": "…"}, the name that the old data are to have`)
  const next = nextOf(place)
  const kept = join(place.folder, note.kept)
  if (existsSync(next.data)) {
    await stopped(next, password)
    if (existsSync(place.data) && !existsSync(kept)) {
      await stopped(place, password)
      await rename(place.data, kept)
    }
    await rename(next.data, place.data)
  }
  await durable(place.folder)
  await rm(file)
}
