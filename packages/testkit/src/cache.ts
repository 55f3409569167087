import { existsSync } from 'node:fs'
import { mkdir, rename, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

/** Where things that cost minutes to get are kept between runs, outside of the checkout. */
export const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'rondo')

const givenUpAfter_ms = 10 * 60_000
/** A build can take longer than a dead process is waited for: who works says so. */
const stillAtWork_ms = 60_000

/**
 * Runs the work while no other process does work of that name; a lock left by a dead process is taken over after ten minutes.
 */
export async function alone<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const lock = join(cacheFolder(), `${name}.lock`)
  await mkdir(cacheFolder(), { recursive: true })
  await eventually(
    async () => {
      try {
        await mkdir(lock)
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        if (Date.now() - (await stat(lock)).mtimeMs > givenUpAfter_ms) await rmdir(lock)
        return false
      }
    },
    { within: 3 * givenUpAfter_ms, every: 200 },
  )
  const beat = setInterval(() => {
    const now = new Date()
    utimes(lock, now, now).catch((error) => process.stderr.write(`${lock}: ${error}\n`))
  }, stillAtWork_ms)
  beat.unref()
  try {
    return await work()
  } finally {
    clearInterval(beat)
    await rmdir(lock)
  }
}

/** The folder of that name, made once: `make` fills a draft that becomes the folder only when it is complete. */
export async function cached(name: string, make: (draft: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), name)
  if (existsSync(folder)) return folder
  return alone(name, async () => {
    if (existsSync(folder)) return folder
    const draft = `${folder}.draft`
    await rm(draft, { recursive: true, force: true })
    await mkdir(draft, { recursive: true })
    await make(draft)
    await rename(draft, folder)
    return folder
  })
}
