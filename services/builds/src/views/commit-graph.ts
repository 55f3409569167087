import { artifact, change, placement, repositoryFacts } from '@rondo/contracts/builds'
import type { Contributor } from '@rondo/contracts/values'
import type { DataOf, Envelope } from '@rondo/kernel'
import { project, type Sql, type View } from '@rondo/reaction'
import type { Commit } from '../containment.ts'

const tables = [
  'commit_row',
  'commit_edge',
  'commit_wait',
  'commit_settled',
  'commit_pick',
  'commit_merge_request',
  'commit_repository',
  'repository_service',
] as const

/** A function of the database (migration 0003): planning it anew for each commit would cost more than doing it. */
const insertCommits = 'select record_commits($1)'

const insertRequest = `
with seen as (
  insert into commit_repository (repository_id, sha) values ($2, $1) on conflict do nothing
), request as (
  insert into commit_merge_request as known (sha, request, at, implements, contributors) values ($1, $3, $4, $5, $6)
  on conflict (sha, request) do update set
    implements = case when excluded.at >= known.at then excluded.implements else known.implements end,
    at = greatest(known.at, excluded.at),
    contributors = known.contributors || excluded.contributors
)
insert into commit_row as known (sha, recorded, parents, reaches, shallow, patch_id, committed_at, implements, reverts, picked_from, contributors, position)
values ($1, false, null, '{}', false, null, $4, '{}', '{}', '{}', '[]', $7)
on conflict (sha) do update set
  committed_at = case when known.recorded then known.committed_at else least(known.committed_at, excluded.committed_at) end,
  position = greatest(known.position, excluded.position)`

const mapRepository = `
insert into repository_service as known (repository_id, service, basis) values ($1, $2, $3)
on conflict (repository_id) do update set service = excluded.service, basis = excluded.basis where excluded.basis >= known.basis`

const columns = `
  c.sha, c.parents, c.reaches, c.shallow, c.patch_id, c.committed_at, c.reverts, c.picked_from,
  c.implements || coalesce((select array_agg(one) from commit_merge_request m, unnest(m.implements) as one where m.sha = c.sha), '{}') as implements`

/**
 * Each commit behind the revisions once, however they are joined: UNION drops what was walked before. A linear history is one
 * step a commit, so each step must be an index look-up: OFFSET 0 keeps the planner from scanning all edges for each of them.
 */
const selectHistory = `
with recursive reach(sha) as (
  select unnest($1::text[]) collate "C"
  union
  select e.behind from reach r cross join lateral (select behind from commit_edge where child = r.sha offset 0) e
)
select ${columns} from reach r join commit_row c on c.sha = r.sha`

/** Commits outside of a history that carry the same change as one inside, or are asked for. */
const selectTwins = `
select ${columns}
from (
  select c.sha from unnest($1::text[]) as patch cross join lateral (select sha from commit_row where patch_id = patch offset 0) c
  union
  select unnest($2::text[])
) as twin join commit_row c on c.sha = twin.sha
where not exists (select from unnest($3::text[]) as known where known = c.sha)`

const insertWaits = `
insert into commit_wait (sha, origin)
select one, one from unnest($1::text[]) as one where not exists (select from commit_row c where c.sha = one and c.recorded) on conflict do nothing`

const selectContributors = `
select distinct one->>'actor' as actor, one->>'role' as role, one->>'shown' as shown
from (
  select jsonb_array_elements(contributors) as one from commit_row where sha = any($1)
  union all
  select jsonb_array_elements(contributors) from commit_merge_request where sha = any($1)
) as people`

interface Row extends Omit<Commit, 'parents' | 'patch_id'> {
  readonly parents: readonly string[] | null
  readonly patch_id: string | null
}
const commitOf = ({ parents, patch_id, ...row }: Row): Commit => ({
  ...row,
  ...(parents ? { parents } : {}),
  ...(patch_id ? { patch_id } : {}),
})

export interface ChangePage {
  readonly service?: string | undefined
  readonly repositories?: readonly string[] | undefined
  readonly requirement?: string | undefined
  readonly descending: boolean
  readonly after?: { readonly at: string; readonly id: string } | undefined
  readonly limit: number
}
function changePage({ service, repositories, requirement, descending, after, limit }: ChangePage): readonly [string, readonly unknown[]] {
  const values: unknown[] = []
  const value = (it: unknown) => `$${values.push(it)}`
  const conditions = [
    ...(service
      ? [
          `exists (select from commit_repository r join repository_service s using (repository_id) where r.sha = c.sha and s.service = ${value(service)})`,
        ]
      : []),
    ...(repositories
      ? [`exists (select from commit_repository r where r.sha = c.sha and r.repository_id = any(${value(repositories)}))`]
      : []),
    ...(requirement
      ? [
          `(c.implements @> array[${value(requirement)}] or exists (select from commit_merge_request m where m.sha = c.sha and m.implements @> array[${value(requirement)}]))`,
        ]
      : []),
    ...(after ? [`(c.committed_at, c.sha) ${descending ? '<' : '>'} (${value(after.at)}, ${value(after.id)})`] : []),
  ]
  const direction = descending ? 'desc' : 'asc'
  return [
    `select c.sha as id, c.committed_at as at from commit_row c where ${['true', ...conditions].join(' and ')} order by c.committed_at ${direction}, c.sha ${direction} limit ${value(limit)}`,
    values,
  ]
}

const queries = (sql: Sql) => ({
  /** Grows with each fact that the graph takes in. Read it before what is computed from the graph. */
  position: async () =>
    Number((await sql<{ position: string }>('select coalesce(max(position), 0) as position from commit_row'))[0]?.position ?? 0),
  /** All known commits behind these, the asked ones, and those that carry the same change as one of them. */
  async commits(revisions: readonly string[], asked: readonly string[]): Promise<readonly Commit[]> {
    const reach = (await sql<Row>(selectHistory, [revisions])).map(commitOf)
    const known = reach.map(({ sha }) => sha)
    const more = asked.filter((sha) => !known.includes(sha))
    const own = more.length > 0 ? (await sql<Row>(selectTwins, [[], more, known])).map(commitOf) : []
    const all = [...reach, ...own]
    const patches = all.flatMap(({ patch_id }) => patch_id ?? [])
    const origins = all.flatMap(({ picked_from }) => picked_from)
    if (patches.length + origins.length === 0) return all
    return [...all, ...(await sql<Row>(selectTwins, [patches, origins, all.map(({ sha }) => sha)])).map(commitOf)]
  },
  /** Those of the commits that are recorded. */
  recorded: async (shas: readonly string[]) =>
    (await sql<{ sha: string }>('select sha from commit_row where recorded and sha = any($1)', [shas])).map((row) => row.sha),
  /** What was missing once, and is waited for no longer since this commit was told. */
  settled: async (sha: string) =>
    (await sql<{ origin: string }>('select origin from commit_settled where sha = $1', [sha])).map((row) => row.origin),
  contributors: async (shas: readonly string[]): Promise<readonly Contributor[]> =>
    (await sql<{ actor: string; role: Contributor['role']; shown: string | null }>(selectContributors, [shas])).map(({ shown, ...one }) =>
      shown ? { ...one, shown } : one,
    ),
  changes: async (page: ChangePage) => sql<{ id: string; at: string }>(...changePage(page)),
  /** By repository id; one that belongs to no service is left out. */
  services: async (repositories: readonly string[]) =>
    new Map(
      (
        await sql<{ repository_id: string; service: string }>(
          'select repository_id, service from repository_service where service is not null and repository_id = any($1)',
          [repositories],
        )
      ).map((row) => [row.repository_id, row.service]),
    ),
})

type Recorded = DataOf<typeof change.recorded>
const commitRow = ({ data, position }: Envelope<Recorded>) => ({
  sha: data.sha,
  parents: data.parents ?? null,
  reaches: data.reaches,
  shallow: data.shallow,
  patch_id: data.patch_id ?? null,
  committed_at: data.committed_at,
  implements: data.implements,
  reverts: data.reverts,
  picked_from: data.picked_from,
  contributors: data.contributors,
  position,
  repository_id: data.repository_id,
})
const recorded = async (sql: Sql, events: readonly Envelope<Recorded>[]) => {
  await sql(insertCommits, [JSON.stringify(events.map(commitRow))])
}
const waiting = async (sql: Sql, { missing }: { readonly missing: readonly string[] }) => {
  if (missing.length > 0) await sql(insertWaits, [missing])
}

type Requested = DataOf<typeof change.merge_request>
const requested = async (sql: Sql, { data, position, occurredAt }: Envelope<Requested>) => {
  await sql(insertRequest, [
    data.sha,
    data.repository_id,
    `${data.repository_id}!${data.number}`,
    occurredAt,
    data.implements,
    JSON.stringify(data.contributors),
    position,
  ])
}

export const commitGraph: View<ReturnType<typeof queries>> = {
  name: 'commit_graph',
  tables,
  on: [
    project(change.recorded, (sql, event) => recorded(sql, [event]), recorded),
    project(change.merge_request, requested),
    project(artifact.contained, (sql, { data }) => waiting(sql, data)),
    project(placement.changed, (sql, { data }) => waiting(sql, data)),
    project(repositoryFacts.mapped, async (sql, { data }) => {
      await sql(mapRepository, [data.repository_id, data.service, data.basis])
    }),
    project(repositoryFacts.unmapped, async (sql, { data }) => {
      await sql(mapRepository, [data.repository_id, null, data.basis])
    }),
  ],
  queries,
}
