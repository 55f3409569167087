import { artifact, gate } from '@rondo/contracts/builds'
import { deployment as told } from '@rondo/contracts/intake'
import { service } from '@rondo/contracts/operations'
import type { Contributor } from '@rondo/contracts/values'
import type { DataOf } from '@rondo/kernel'
import { deployment } from '../src/deployment.ts'
import { outside, type World } from './world.ts'

export const digest = (letter: string) => `sha256:${letter.repeat(64)}`
export const sha = (letter: string) => letter.repeat(40)
export const ada = 'person:ada@example.org'
export const grace = 'person:grace@example.org'
export const edsger = 'person:edsger@example.org'
export const repository = { host: 'github.com', full_name: 'example/shop', id: '1' }
export const github = 'https://github.com/example/shop'

export const catalog = (version = 1) =>
  outside(
    service.put({
      service: 'shop',
      owner: 'team-shop',
      repositories: ['example/shop'],
      artifacts: ['pkg:oci/shop'],
      alert_labels: {},
      environment_label: 'environment',
      default_environment: 'production',
      problem_labels: [],
      proof: { kind: 'defect', target_ratio: 0.5, deadline_days: 14 },
      by: 'person:admin',
    }),
    'shop',
    '2026-11-01T00:00:00Z',
    version,
  )
export const published = (letter: string, when: string) => [
  outside(
    artifact.observed({
      digest: digest(letter),
      name: 'pkg:oci/shop',
      phase: 'packaged',
      source: 'https://ci.example.org/shop',
      revision: sha(letter),
      repository,
    }),
    digest(letter),
    when,
    1,
  ),
  outside(
    artifact.observed({ digest: digest(letter), name: 'pkg:oci/shop', phase: 'published', source: 'https://ci.example.org/shop' }),
    digest(letter),
    when,
    2,
  ),
  outside(artifact.mapped({ digest: digest(letter), service: 'shop', basis: 1 }), digest(letter), when, 3),
]
export const contained = (letter: string, contributors: Contributor[], requirements: string[], version = 4) =>
  outside(
    artifact.contained({
      digest: digest(letter),
      service: 'shop',
      revision: sha(letter),
      changes: [sha(letter)],
      more: 0,
      requirements,
      contributors,
      missing: [],
    }),
    digest(letter),
    '2026-11-20T12:00:00Z',
    version,
  )
export const decided = (letter: string, verdict: 'pass' | 'fail', version = 1) =>
  outside(
    gate.decided({
      artifact: digest(letter),
      service: 'shop',
      verdict,
      score: 100,
      criteria: [],
      policy_hash: 'p1',
      inputs_hash: 'i1',
      release_allowed: verdict === 'pass',
      reasons: [],
      requirements: [],
    }),
    digest(letter),
    '2026-11-20T12:05:00Z',
    version,
  )
type Deployed = DataOf<typeof told.observed>
export const deployed = (id: string, when: string, data: Partial<Deployed> & Pick<Deployed, 'state'>) =>
  outside(told.observed({ source: github, deployment: id, environment: 'production', ...data }), `${id}/${when}`, when)
export const deploymentsOf = async ({ read }: World) =>
  (await read.list(deployment, { keys: { service: 'shop', environment: 'production' } })).items
