import { artifact } from '@rondo/contracts/builds'
import { service } from '@rondo/contracts/operations'
import { release } from '@rondo/contracts/releases'
import { project, type Sql, type View } from '@rondo/reaction'

const mapRepository = `
  insert into repository_service (repository, service, said_at) values ($1, $2, $3)
  on conflict (repository) do update set service = excluded.service, said_at = excluded.said_at
  where repository_service.said_at <= excluded.said_at`
const forget = 'delete from repository_service where service = $1 and said_at < $2 and repository <> all($3)'

const repositoryQueries = (sql: Sql) => ({
  serviceOf: async (repository: string): Promise<string | undefined> =>
    (await sql<{ service: string }>('select service from repository_service where repository = $1', [repository]))[0]?.service,
})

/** Which service a repository belongs to: a copy of the catalog's mapping. */
export const repositories: View<ReturnType<typeof repositoryQueries>> = {
  name: 'repository_service',
  on: [
    project(service.put, async (sql, { data, occurredAt }) => {
      await sql(forget, [data.service, occurredAt, data.repositories])
      for (const repository of data.repositories) await sql(mapRepository, [repository, data.service, occurredAt])
    }),
  ],
  queries: repositoryQueries,
}

const nameVersion = `
  insert into release_name (artifact, version) values ($1, $2)
  on conflict (artifact) do update set version = excluded.version`
const nameRelease = `
  insert into release_name (artifact, release) values ($1, $2)
  on conflict (artifact) do update set release = excluded.release`

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
  on: [
    project(artifact.observed, async (sql, { data: { digest, version } }) => {
      if (version) await sql(nameVersion, [digest, version])
    }),
    project(release.created, async (sql, { streamId, data: { artifacts } }) => {
      for (const digest of artifacts) await sql(nameRelease, [digest, streamId])
    }),
  ],
  queries: releaseQueries,
}
