import type { Upgrading } from '@rondo/embedded'
import { type Config, makeSameTables, shareHighWater } from '@rondo/runtime'
import { services } from './services.ts'

/** How data of an older major version of PostgreSQL are carried over: what Rondo's tables are, and what lies beside them. */
export const upgradingOf = ({ dataDir, oldPostgres }: Pick<Config, 'dataDir' | 'oldPostgres'>, say: (text: string) => void): Upgrading => ({
  tables: (old, next) => makeSameTables(services, old.url, next.url),
  succeeds: (old, next) => shareHighWater(dataDir, new URL(next.url).pathname.slice(1), old.system, next.system),
  say,
  oldPrograms: oldPostgres,
})
