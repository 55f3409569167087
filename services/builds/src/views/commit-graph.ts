import { artifact, change, placement, repositoryFacts } from '@rondo/contracts/builds'
import type { Contributor } from '@rondo/contracts/values'
import { type DataOf, type Envelope, project, type Sql, type View } from '@rondo/kernel'
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

const insertCommit = `
with told as (
  select $1::text as sha, $2::text[] as parents, $3::text[] as reaches, $4::boolean as shallow, $5::text as patch_id, $6::text as committed_at,
         $7::text[] as implements, $8::text[] as reverts, $9::text[] as picked_from, $10::jsonb as contributors, $11::bigint as position
), edges as (
  insert into commit_edge (child, behind)
  select sha, unnest(coalesce(parents, '{}') || reaches) from told on conflict do nothing
), picks as (
  insert into commit_pick (origin, sha) select unnest(picked_from), sha from told on conflict do nothing
), seen as (
  insert into commit_repository (repository_id, sha) select $12::text, sha from told on conflict do nothing
), moved as (
  delete from commit_wait w using told where w.sha = told.sha returning w.origin
), onward as (
  insert into commit_wait (sha, origin)
  select behind, origin from moved, told, unnest(case when shallow then '{}' else coalesce(parents, '{}') end) as behind
  where not exists (select from commit_row c where c.sha = behind and c.recorded)
  on conflict do nothing returning origin
), settled as (
  insert into commit_settled (sha, origin)
  select told.sha, origin from moved, told
  where origin not in (select origin from onward) and not exists (select from commit_wait w where w.origin = moved.origin and w.sha <> told.sha)
  on conflict do nothing
)
insert into commit_row as known (sha, recorded, parents, reaches, shallow, patch_id, committed_at, implements, reverts, picked_from, contributors, position)
select sha, true, parents, reaches, shallow, patch_id, committed_at, implements, reverts, picked_from, contributors, position from told
on conflict (sha) do update set
  recorded = true,
  parents = case when cardinality(excluded.parents) > coalesce(cardinality(known.parents), -1) then excluded.parents else known.parents end,
  reaches = (select coalesce(array_agg(distinct one), '{}') from unnest(known.reaches || excluded.reaches) as one),
  shallow = case when excluded.parents is null then known.shallow when known.parents is null then excluded.shallow else known.shallow and excluded.shallow end,
  patch_id = least(known.patch_id, excluded.patch_id),
  committed_at = case when known.recorded then least(known.committed_at, excluded.committed_at) else excluded.committed_at end,
  implements = (select coalesce(array_agg(distinct one), '{}') from unnest(known.implements || excluded.implements) as one),
  reverts = (select coalesce(array_agg(distinct one), '{}') from unnest(known.reverts || excluded.reverts) as one),
  picked_from = (select coalesce(array_agg(distinct one), '{}') from unnest(known.picked_from || excluded.picked_from) as one),
  contributors = known.contributors || excluded.contributors,
  position = greatest(known.position, excluded.position)`

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
const recorded = async (sql: Sql, { data, position }: Envelope<Recorded>) => {
  const {
    sha,
    parents,
    reaches,
    shallow,
    patch_id,
    committed_at,
    implements: named,
    reverts,
    picked_from,
    contributors,
    repository_id,
  } = data
  await sql(insertCommit, [
    sha,
    parents ?? null,
    reaches,
    shallow,
    patch_id ?? null,
    committed_at,
    named,
    reverts,
    picked_from,
    JSON.stringify(contributors),
    position,
    repository_id,
  ])
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
    project(change.recorded, recorded),
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
