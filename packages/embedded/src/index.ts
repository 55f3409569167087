export { type EmbeddedOptions, type EmbeddedPostgres, startPostgres } from './postgres.ts'
export { passable, postgresPrograms, type SystemUser, serverUser } from './programs.ts'
export { StartError } from './start-error.ts'
export type { Cluster, Upgrading } from './upgrade.ts'
