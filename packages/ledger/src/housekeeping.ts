import { every } from '@rondo/bus'
import type { Database } from './database.ts'

const everyMs = 600_000
const chunk = 5_000

/** Forgets outcomes whose time is over, in small steps; how many. */
export async function forgetOld({ store }: Database): Promise<number> {
  let forgotten = 0
  for (;;) {
    const count = await store.forgetOld(chunk)
    forgotten += count
    if (count < chunk) return forgotten
  }
}

/** Every ten minutes, until the returned function is called. */
export function startHousekeeping(database: Database): () => void {
  const { service, log, clock } = database
  const look = () => {
    forgetOld(database).then(
      (forgotten) => forgotten > 0 && log.info({ service, forgotten }, 'old message ids forgotten'),
      (error: unknown) => log.warn({ service, error: String(error) }, 'old message ids could not be forgotten'),
    )
  }
  return every(clock, everyMs, look, 'aside')
}
