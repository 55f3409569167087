import { artifact } from '@rondo/contracts/builds'
import { service } from '@rondo/contracts/operations'
import { release } from '@rondo/contracts/releases'
import { project, type Sql, type View } from '@rondo/reaction'

const mapRepository = `
  insert into repository_service (repository, service, said_at) values ($1, $2, $3)
  on conflict (repository, service) do update set said_at = greatest(repository_service.said_at, excluded.said_at)`
const forget = 'delete from repository_service where service = $1 and said_at < $2 and repository <> all($3)'

const repositoryQueries = (sql: Sql) => ({
  serviceOf: async (repository: string): Promise<string | undefined> =>
    (
      await sql<{ service: string }>(
        'select service from repository_service where repository = $1 order by said_at desc, service limit 1',
        [repository],
      )
    )[0]?.service,
})

/** Which service a repository belongs to: a copy of the catalog's mapping. */
export const repositories: View<ReturnType<typeof repositoryQueries>> = {
  name: 'repository_service',
  tables: ['repository_service'],
  on: [
    project(service.put, async (sql, { data, occurredAt }) => {
      await sql(forget, [data.service, occurredAt, data.repositories])
      for (const repository of data.repositories) await sql(mapRepository, [repository, data.service, occurredAt])
    }),
  ],
  queries: repositoryQueries,
}

/** The later, by when it was said; of two at one instant, the greater. */
const nameOf = (column: 'version' | 'release') => `
  insert into release_name (artifact, ${column}, ${column}_at) values ($1, $2, $3)
  on conflict (artifact) do update set (${column}, ${column}_at) = (excluded.${column}, excluded.${column}_at)
  where (release_name.${column}_at, release_name.${column}) < (excluded.${column}_at, excluded.${column})`
const [nameVersion, nameRelease] = [nameOf('version'), nameOf('release')]

const releaseQueries = (sql: Sql) => ({
  /** The version, else the release that it is a part of. */
  nameOf: async (digest: string): Promise<string | undefined> => {
    const [row] = await sql<{ version: string; release: string }>('select version, release from release_name where artifact = $1', [digest])
    return row?.version || row?.release || undefined
  },
})

/** What people call an artifact: its version, or the release that it was part of. */
export const releaseNames: View<ReturnType<typeof releaseQueries>> = {
  name: 'release_name',
  tables: ['release_name'],
  on: [
    project(artifact.observed, async (sql, { occurredAt, data: { digest, version } }) => {
      if (version) await sql(nameVersion, [digest, version, occurredAt])
    }),
    project(release.created, async (sql, { streamId, occurredAt, data: { artifacts } }) => {
      for (const digest of artifacts) await sql(nameRelease, [digest, streamId, occurredAt])
    }),
  ],
  queries: releaseQueries,
}
