export { type EmbeddedPostgres, StartError, startPostgres } from './postgres.ts'
export { passable, postgresPrograms, type SystemUser, serverUser } from './programs.ts'
