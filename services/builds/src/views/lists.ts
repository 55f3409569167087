import { build, evidence } from '@rondo/contracts/builds'
import type { TestCase } from '@rondo/contracts/values'
import { project, type Sql, type View } from '@rondo/reaction'
import { buildId } from '../build.ts'
import { evidenceId } from '../evidence.ts'

const standings = { queued: 1, started: 2, finished: 3 } as const
const insertBuild = `
insert into build_row as known (id, source, repository_id, first_at, standing) values ($1, $2, $3, $4, $5)
on conflict (id) do update set
  repository_id = coalesce(excluded.repository_id, known.repository_id),
  first_at = least(known.first_at, excluded.first_at),
  standing = greatest(known.standing, excluded.standing)`

export interface BuildPage {
  readonly source?: string | undefined
  readonly service?: string | undefined
  readonly phase?: string | undefined
  readonly descending: boolean
  readonly after?: { readonly at: string; readonly id: string } | undefined
  readonly limit: number
}
function buildPage({ source, service, phase, descending, after, limit }: BuildPage): readonly [string, readonly unknown[]] {
  const values: unknown[] = []
  const value = (it: unknown) => `$${values.push(it)}`
  const conditions = [
    ...(source ? [`b.source = ${value(source)}`] : []),
    ...(service
      ? [`exists (select from repository_service s where s.repository_id = b.repository_id and s.service = ${value(service)})`]
      : []),
    ...(phase ? [`b.standing % 10 = ${value(standings[phase as keyof typeof standings] ?? 0)}`] : []),
    ...(after ? [`(b.first_at, b.id) ${descending ? '<' : '>'} (${value(after.at)}, ${value(after.id)})`] : []),
  ]
  const direction = descending ? 'desc' : 'asc'
  return [
    `select b.id, b.first_at as at from build_row b where ${['true', ...conditions].join(' and ')} order by b.first_at ${direction}, b.id ${direction} limit ${value(limit)}`,
    values,
  ]
}

const queries = (sql: Sql) => ({
  builds: async (page: BuildPage) => sql<{ id: string; at: string }>(...buildPage(page)),
  /** By report; those of a target's reports. */
  cases: async (target: string) =>
    new Map(
      (await sql<{ report: string; cases: readonly TestCase[] }>('select report, cases from report_row where target = $1', [target])).map(
        (row) => [row.report, row.cases],
      ),
    ),
})

export const lists: View<ReturnType<typeof queries>> = {
  name: 'lists',
  tables: ['build_row', 'report_row'],
  on: [
    project(build.observed, async (sql, { data, occurredAt }) => {
      await sql(insertBuild, [
        buildId(data.source, data.build),
        data.source,
        data.repository_id ?? null,
        occurredAt,
        data.attempt * 10 + standings[data.phase],
      ])
    }),
    project(evidence.tests_attached, async (sql, { data }) => {
      await sql('insert into report_row (target, report, cases) values ($1, $2, $3) on conflict do nothing', [
        evidenceId(data),
        data.report,
        JSON.stringify(data.cases),
      ])
    }),
  ],
  queries,
}
