import * as intake from '@rondo/contracts/intake'
import { service } from '@rondo/contracts/operations'
import { deployment } from '@rondo/contracts/releases'
import type { Fact, Instant } from '@rondo/kernel'
import type { World } from './world.ts'

/** Facts from outside about one small shop. */
export const sha = (digit: string) => digit.repeat(40)
export const digest = (digit: string) => `sha256:${digit.repeat(64)}`
export const at = (minute: number): Instant => `2026-11-10T09:${String(minute).padStart(2, '0')}:00.000000Z`
export const page = { page_size: 0, page_token: '', order: '' }

export const shop = { host: 'github.com', full_name: 'example/shop', id: '186853002', default_branch: 'main' }
export const put = service.put({
  service: 'shop',
  owner: 'team-shop',
  repositories: ['example/shop'],
  artifacts: ['pkg:oci/shop'],
  alert_labels: {},
  environment_label: 'environment',
  default_environment: 'production',
  problem_labels: [],
  proof: { kind: 'defect', target_ratio: 0.5, deadline_days: 14 },
  by: 'person:ada',
})
export const author = (actor: string) => ({ actor, role: 'author' as const })
export const commit = (
  digit: string,
  parents: string[] | undefined,
  message: string,
  more: { by?: string; reaches?: string[]; shallow?: boolean; repository?: typeof shop | { host: string; full_name: string } } = {},
) =>
  intake.change.observed({
    repository: more.repository ?? shop,
    sha: sha(digit),
    ...(parents ? { parents: parents.map(sha) } : {}),
    ...(more.reaches ? { reaches: more.reaches.map(sha) } : {}),
    ...(more.shallow ? { shallow: true } : {}),
    message,
    committed_at: at(0),
    contributors: [author(more.by ?? 'person:ada')],
  })
export const packaged = (artifact: string, revision: string) =>
  intake.artifact.observed({
    source: 'ci',
    digest: digest(artifact),
    name: 'pkg:oci/shop',
    phase: 'packaged',
    revision: sha(revision),
    repository: shop,
  })
export const published = (artifact: string) =>
  intake.artifact.observed({ source: 'ci', digest: digest(artifact), name: 'pkg:oci/shop', phase: 'published' })
export const green = (artifact: string, report: string, failed = 0) =>
  intake.evidence.tests_reported({
    artifact: digest(artifact),
    report,
    format: 'junit',
    suites: [{ path: ['unit'], tests: 2 }],
    counts: { tests: 2, passed: 2 - failed, failed, errors: 0, skipped: 0, flaky: 0 },
    cases: ['a', 'b'].map((name) => ({
      suite: ['unit'],
      classname: 'u',
      name,
      attempts: [{ outcome: failed ? ('failed' as const) : ('passed' as const) }],
    })),
  })
export const place = { service: 'shop', environment: 'production', production: true }
export const succeeded = (name: string, artifact: string, minute: number) =>
  deployment.succeeded({ ...place, deployment: name, artifact: digest(artifact), share: 1, at: at(minute) })
export const rolledBack = (name: string, artifact: string, minute: number) =>
  deployment.rolled_back({ ...place, deployment: name, artifact: digest(artifact), at: at(minute) })

export type Happened = readonly [Fact, number]
export async function play(world: World, facts: readonly Happened[], settleEach = false) {
  for (const [fact, minute] of facts) {
    await world.outside(fact, { at: at(minute) })
    if (settleEach) await world.settle()
  }
  await world.settle()
}
