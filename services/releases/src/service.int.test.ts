import { randomUUID } from 'node:crypto'
import { artifact, change, gate, policy } from '@rondo/contracts/builds'
import { person } from '@rondo/contracts/gateway'
import { deployment } from '@rondo/contracts/intake'
import { incident, service } from '@rondo/contracts/operations'
import { loadProtos } from '@rondo/proto'
import { runBeside } from '@rondo/runtime/rig'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { at } from '../test/world.ts'
import { rpc } from './rpc.ts'
import { releases } from './service.ts'

const { met, beforeAll } = needs('postgres18')

const start = async () =>
  runBeside(releases, {
    databaseUrl: await freshDatabase(),
    owners: {
      ada: { actor: 'person:ada@example.org', roles: ['developer', 'approver'] },
      edsger: { actor: 'person:edsger@example.org', roles: ['approver'] },
      grace: { actor: 'person:grace@example.org', roles: ['operator'] },
      nobody: { actor: 'person:nobody@example.org', roles: ['auditor'] },
    },
    others: { builds: { artifact, gate, change, policy }, operations: { service, incident }, gateway: { person } },
  })
let run: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  run = await start()
})
afterAll(() => run?.stop())
beforeEach(({ onTestFailed }) => {
  if (met) onTestFailed(() => console.log(run.log.join('')))
})

const ada = 'person:ada@example.org'
const within = { within: 20_000 }
const digest = (letter: string) => `sha256:${letter.repeat(64)}`
const id = (letter: string) => `REL-${letter.repeat(8).toUpperCase()}`
const release = async (release_id: string) => (await run.call('nobody', 'GetRelease', { release_id })).release

async function catalog(name: string) {
  await run.operations.say(
    'service',
    name,
    '2026-11-01T00:00:00Z',
    service.put({
      service: name,
      owner: 'team-build',
      runbook: 'https://example.org/runbook',
      repositories: [`example/${name}`],
      artifacts: [`pkg:oci/${name}`],
      alert_labels: {},
      environment_label: 'environment',
      default_environment: 'production',
      problem_labels: [],
      proof: { kind: 'defect', target_ratio: 0.5, deadline_days: 14 },
      by: 'person:admin',
    }),
  )
}
async function published(name: string, letter: string, coAuthor = 'person:grace@example.org') {
  const say = (fact: Parameters<typeof run.builds.say>[3]) => run.builds.say('artifact', digest(letter), '2026-11-20T12:00:00Z', fact)
  const revision = letter.repeat(40)
  await say(
    artifact.observed({ digest: digest(letter), name: `pkg:oci/${name}`, phase: 'published', source: 'https://ci.example.org', revision }),
  )
  await say(artifact.mapped({ digest: digest(letter), service: name, basis: 1 }))
  const contributors = [
    { actor: ada, role: 'author' as const },
    { actor: coAuthor, role: 'co_author' as const },
  ]
  await say(
    artifact.contained({
      digest: digest(letter),
      service: name,
      revision,
      changes: [revision],
      more: 0,
      requirements: ['REQ-1'],
      contributors,
      missing: [],
    }),
  )
}
const judged = (name: string, letter: string, verdict: 'pass' | 'fail') =>
  run.builds.say(
    'gate',
    digest(letter),
    '2026-11-20T12:05:00Z',
    gate.decided({
      artifact: digest(letter),
      service: name,
      verdict,
      score: 100,
      criteria: [],
      policy_hash: 'p1',
      inputs_hash: 'i1',
      release_allowed: verdict === 'pass',
      reasons: [],
      requirements: [],
    }),
  )
const deployed = (external: string, when: string, data: object) =>
  run.intake(
    randomUUID(),
    when,
    deployment.observed({
      source: 'https://deploy.example.org',
      deployment: external,
      environment: 'production',
      state: 'succeeded',
      ...data,
    }),
  )

test('from the artifact to the hand-over, with every refusal on the way', async () => {
  await catalog('shop')
  await published('shop', 'a')
  await eventually(async () => (await release(id('a'))).requirements.length === 1, within)
  const { content_hash } = await release(id('a'))
  expect(await run.call('ada', 'RequestApproval', { release_id: id('a') })).toMatchObject({ content_hash })
  await expect(run.call('ada', 'Approve', { release_id: id('a'), content_hash })).rejects.toMatchObject({
    code: 'four_eyes',
    message: `${ada} contributed as author`,
  })
  await expect(run.call('edsger', 'Approve', { release_id: id('a'), content_hash: 'sha256:other' })).rejects.toMatchObject({
    code: 'wrong_phase',
  })
  await expect(run.call('nobody', 'Approve', { release_id: id('a'), content_hash })).rejects.toMatchObject({ code: 'forbidden' })
  await expect(run.call('grace', 'Deploy', { release_id: id('a'), environment: 'production' })).rejects.toMatchObject({
    details: { missing: ['not approved: it is approval requested', `there is no gate verdict for ${digest('a')}`] },
  })
  await run.call('edsger', 'Approve', { release_id: id('a'), content_hash })
  await judged('shop', 'a', 'pass')
  await eventually(async () => (await release(id('a'))).deployment_obstacles.length === 0, within)
  expect(await run.call('grace', 'Deploy', { release_id: id('a'), environment: 'production' })).toMatchObject({
    permission_id: expect.stringMatching(/.+/),
  })

  const finished = new Date().toISOString()
  await deployed('d-1', finished, { artifact: digest('a') })
  await eventually(async () => (await run.call('nobody', 'WhatRuns', { service: 'shop', environment: '' })).deployment_id !== '', within)
  expect(await run.call('nobody', 'WhatRuns', { service: 'shop', environment: 'production' })).toMatchObject({
    artifact: digest('a'),
    releases: [id('a')],
    requirements: ['REQ-1'],
    since: at(finished),
  })
  const { deployments } = await run.call('nobody', 'ListDeployments', { service: 'shop' })
  expect(deployments).toMatchObject([{ phase: 'succeeded', violations: [], requirements: ['REQ-1'] }])
  expect(await run.call('nobody', 'GetDeployment', { deployment_id: deployments[0].deployment_id })).toEqual({ deployment: deployments[0] })

  await run.call('ada', 'OfferHandover', { release_id: id('a'), to: 'team-run' })
  expect(await run.call('nobody', 'GetHandover', { release_id: id('a') })).toMatchObject({
    phase: 'offered',
    from: 'team-build',
    responsible: 'team-build',
  })
  await run.call('grace', 'AcceptHandover', { release_id: id('a') })
  expect(await run.call('nobody', 'GetHandover', { release_id: id('a') })).toMatchObject({
    phase: 'accepted',
    by: 'person:grace@example.org',
    responsible: 'team-run',
  })

  await judged('shop', 'a', 'fail')
  await eventually(async () => (await release(id('a'))).phase === 'void', within)
  expect((await release(id('a'))).denials.map(({ what, code }: { what: string; code: string }) => [what, code])).toEqual([
    ['approve', 'four_eyes'],
    ['approve', 'wrong_phase'],
    ['deploy', 'wrong_phase'],
  ])
})

test('an unmapped contributor blocks until a person maps it; what nobody approved is a violation; its incidents count once', async () => {
  await catalog('till')
  await published('till', 'b', 'unmapped:1')
  await run.call('ada', 'Create', { release_id: 'REL-39', service: 'till', artifacts: [digest('b')] })
  await eventually(async () => (await release('REL-39')).contributors.length === 2, within)
  const { content_hash } = await release('REL-39')
  await expect(run.call('edsger', 'Approve', { release_id: 'REL-39', content_hash })).rejects.toMatchObject({ code: 'unknown_identity' })
  await run.gateway.say(
    'person',
    'grace@example.org',
    '2026-11-20T12:00:00Z',
    person.mapped({ person: 'grace@example.org', identities: ['unmapped:1'] }),
  )
  await eventually(async () => (await release('REL-39')).approval_obstacles.length === 0, within)
  expect(await run.call('nobody', 'Contributors', { release_id: 'REL-39' })).toMatchObject({
    obstacles: [],
    contributors: [
      { actor: ada, roles: ['author'] },
      { actor: 'person:grace@example.org', roles: ['co_author'] },
    ],
  })

  await deployed('d-2', '2026-11-20T13:00:00Z', { service: 'till', artifact: digest('b') })
  const first = async () => (await run.call('nobody', 'ListDeployments', { service: 'till', environment: 'production' })).deployments[0]
  await eventually(async () => (await first())?.violations.length === 2, within)
  for (const number of [1, 2]) {
    const base = { incident: `INC-${number}`, service: 'till' }
    await run.operations.say(
      'incident',
      base.incident,
      '2026-11-20T13:10:00Z',
      incident.attributed({
        ...base,
        cause: 'deployment',
        artifact: digest('b'),
        reason: 'began after it',
        by: 'person:grace@example.org',
      }),
    )
    await run.operations.say(
      'incident',
      base.incident,
      '2026-11-20T14:00:00Z',
      incident.resolved({ ...base, resolved_at: at(`2026-11-20T1${number + 3}:05:00Z`), by: 'person:grace@example.org' }),
    )
  }
  await eventually(
    async () => (await first()).incidents.filter(({ resolved_at }: { resolved_at: string }) => resolved_at).length === 2,
    within,
  )
  const metrics = await run.call('nobody', 'Metrics', {
    service: 'till',
    environment: '',
    from: '2026-11-20T00:00:00Z',
    to: '2026-11-21T00:00:00Z',
  })
  expect(metrics).toMatchObject({
    deployment_frequency: { numerator: 1 },
    change_failure_rate: { numerator: 1, denominator: 1, percent: 100 },
    failed_deployment_recovery_time: { median_seconds: 7500 },
  })
  expect(metrics.change_lead_time.value).toBeUndefined()
})

test('environments, pages, and what is wrong with a request', async () => {
  await run.call('grace', 'PutEnvironment', {
    environment: 'staging',
    production: false,
    rank: 1,
    frozen_from: '',
    frozen_until: '',
    deployers: ['person:somebody'],
  })
  expect(await run.call('nobody', 'ListEnvironments', {})).toMatchObject({
    environments: [{ environment: 'staging', deployers: ['person:somebody'] }],
    next_page_token: '',
  })
  await run.call('ada', 'Create', { release_id: 'REL-X', service: 'other', artifacts: [digest('d')] })
  await expect(run.call('grace', 'Deploy', { release_id: 'REL-X', environment: 'staging' })).rejects.toMatchObject({
    code: 'forbidden',
    message: 'person:grace@example.org may not deploy to staging',
  })
  expect(await run.call('nobody', 'ListReleases', { service: 'other', phase: 'candidate' })).toMatchObject({
    releases: [{ release_id: 'REL-X', approval_obstacles: [`the changes in ${digest('d')} are not known yet`] }],
  })
  const page = await run.call('nobody', 'ListReleases', { page_size: 1 })
  expect(page.next_page_token).not.toBe('')
  expect((await run.call('nobody', 'ListReleases', { page_size: 1, page_token: page.next_page_token })).releases[0].release_id).not.toBe(
    page.releases[0].release_id,
  )
  await expect(run.call('nobody', 'GetRelease', { release_id: 'REL-NONE' })).rejects.toMatchObject({ code: 'not_found' })
  await expect(run.call('nobody', 'GetDeployment', { deployment_id: 'none' })).rejects.toMatchObject({ code: 'not_found' })
  await expect(run.call('grace', 'AcceptHandover', { release_id: 'REL-NONE' })).rejects.toMatchObject({ code: 'not_found' })
  await expect(
    run.call('nobody', 'Metrics', { service: 'shop', environment: '', from: 'yesterday', to: '2026-11-21T00:00:00Z' }),
  ).rejects.toMatchObject({ code: 'invalid', details: { path: 'from' } })
  await expect(run.call('nobody', 'Contributors', {})).rejects.toMatchObject({ code: 'invalid', details: { path: 'commits' } })
  await expect(run.call('ada', 'Create', { release_id: 'REL-Y', service: 'x', artifacts: ['latest'] })).rejects.toMatchObject({
    code: 'invalid',
    details: { path: 'artifacts[0]' },
  })
})

test('every RPC of the proto has a row, and no row is without one', () => {
  const proto = loadProtos().lookupService('rondo.releases.v1.Releases')
  expect(Object.keys(rpc).sort()).toEqual(Object.keys(proto.methods).sort())
})
