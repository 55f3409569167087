import type { Database } from './database.ts'

const everyMs = 600_000
const chunk = 5_000

/** Forgets outcomes whose time is over, in small steps; how many. */
export async function forgetOld({ pool }: Database): Promise<number> {
  let forgotten = 0
  for (;;) {
    const { rowCount } = await pool.query(
      'delete from message where id in (select id from message where keep_until < instant(now()) order by keep_until limit $1)',
      [chunk],
    )
    forgotten += rowCount ?? 0
    if ((rowCount ?? 0) < chunk) return forgotten
  }
}

/** Every ten minutes, until the returned function is called. */
export function startHousekeeping(database: Database): () => void {
  const { service, log } = database
  const timer = setInterval(() => {
    forgetOld(database).then(
      (forgotten) => forgotten > 0 && log.info({ service, forgotten }, 'old message ids forgotten'),
      (error: unknown) => log.warn({ service, error: String(error) }, 'old message ids could not be forgotten'),
    )
  }, everyMs).unref()
  return () => clearInterval(timer)
}
