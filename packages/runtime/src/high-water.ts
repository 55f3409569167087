import { mkdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenLedger } from '@rondo/ledger'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'

/** Which database of which server: another one may be given by the same folder's settings tomorrow. */
async function databaseOf(ledger: OpenLedger): Promise<string> {
  const [row] = await ledger.sql<{ server: string; database: string }>(
    'select system_identifier as server, current_database() as database from pg_control_system()',
  )
  return markName(row?.server, row?.database)
}

const markName = (system: string | undefined, database: string | undefined) => encodeURIComponent(`${system}-${database}`)

/**
 * One cluster has taken the place of another: the marks of the old one are those of both from now on, so that an older copy of either is
 * noticed. By system identifier; may be called again.
 */
export async function shareHighWater(dataDir: string, database: string, old: string, next: string): Promise<void> {
  const folder = join(dataDir, 'high-water')
  await mkdir(join(folder, markName(old, database)), { recursive: true, mode: 0o700 })
  try {
    await symlink(markName(old, database), join(folder, markName(next, database)), 'junction')
  } catch (error) {
    // An earlier try has come so far
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/**
 * Where a service's relay keeps how far it has sent: beside the data, not in it. With Kafka nothing is needed, its topics tell; the bus on
 * PostgreSQL lies in the ledger's own database, and both go back together when an older copy of it is restored.
 * A ledger that never recorded anything is a new one and no older copy: a mark of an earlier one of that name is removed.
 */
export async function highWaterFile(service: string, ledger: OpenLedger, config: Config, log: Logger): Promise<string | undefined> {
  if (config.kafkaBrokers) return undefined
  const folder = join(config.dataDir, 'high-water', await databaseOf(ledger))
  const file = join(folder, service)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if ((await ledger.head()).position === 0) await rm(file, { force: true })
    return file
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    log.warn({ err: error, file }, 'how far events were sent cannot be kept: a restored older copy of the database will not be noticed')
    return undefined
  }
}
