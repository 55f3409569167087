import { eventually, needs } from '@rondo/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const { met } = needs('postgres18')
let rondo: Rondo
beforeAll(async () => {
  if (met) rondo = await startRondo()
})
afterAll(() => rondo?.stop())

const repository = { host: 'github.com', full_name: 'example/stall', id: '' }
const ada = { email: 'ada@example.org', login: '', name: 'Ada' }
const [root, fix] = ['a', 'b'].map((digit) => digit.repeat(40)) as [string, string]
const digest = (byte: string) => `sha256:${byte.repeat(32)}`
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()

const ask = async (method: string, request: object) => {
  const { status, body } = await rondo.rpc(`rondo.${method}`, request)
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`)
  return body
}
const emit = (id: string, minutes: number, body: object) =>
  ask('intake.v1.Intake/Emit', { event: { id, source: 'https://ci.example.org/stall', time: minutesAgo(minutes), ...body } })
const commit = (sha: string, parents: readonly string[], message: string) =>
  emit(`commit-${sha[0]}`, 300, {
    change: { repository, sha, parents, parents_known: true, message, committed_at: minutesAgo(300), author: ada, committer: ada },
  })
const published = (artifact: string, revision: string) =>
  emit(`published-${revision[0]}`, 290, {
    artifact: { digest: artifact, name: 'pkg:oci/stall', phase: 'ARTIFACT_PHASE_PUBLISHED', repository, revision },
  })
const deployed = (id: string, artifact: string, minutes: number) =>
  emit(id, minutes, {
    deployment: { deployment_id: id, service: 'stall', environment: 'production', artifact, state: 'DEPLOYMENT_STATE_SUCCEEDED' },
  })
/** As CDEvents says it: of the service, of no deployment. */
async function cdevent(predicate: string, id: string, minutes: number, content: object = {}) {
  const time = minutesAgo(minutes)
  const type = `dev.cdevents.service.${predicate}.0.2.0`
  const event = {
    specversion: '1.0',
    id,
    source: '/deployer',
    type,
    time,
    datacontenttype: 'application/json',
    data: {
      context: { version: '0.4.1', id, source: '/deployer', type, timestamp: time },
      subject: { id: 'stall', source: '/deployer', type: 'service', content: { environment: { id: 'production' }, ...content } },
    },
  }
  const { status, body } = await rondo.send('POST', '/v1/events', {
    body: JSON.stringify(event),
    headers: {
      'content-type': 'application/cloudevents+json',
      authorization: `Bearer ${await rondo.token('service:deployer', 'reporter')}`,
    },
  })
  expect(status, JSON.stringify(body)).toBe(202)
}
const removed = (id: string, minutes: number) => cdevent('removed', id, minutes)
const phase = async () =>
  (await ask('requirements.v1.Requirements/GetRequirement', { requirement_id: 'REQ-STALL' })).summary.phase as string
const reaches = (wanted: string) =>
  eventually(async () => (await phase()) === wanted, { within: 20_000 }).catch(async (error) => {
    throw new Error(`it is ${await phase()}, not ${wanted}`, { cause: error })
  })

test('a service that is removed or rolled back takes "released" back, until it runs again; a late word counts by when it happened', async () => {
  await ask('operations.v1.Operations/PutService', {
    service: 'stall',
    owner: 'team',
    repositories: ['example/stall'],
    artifacts: ['pkg:oci/stall'],
    alert_labels: { service: 'stall' },
  })
  await ask('requirements.v1.Requirements/Raise', { requirement_id: 'REQ-STALL', title: 'Faster', service: 'stall' })
  await commit(root, [], 'Begin')
  await commit(fix, [root], 'Be fast\n\nImplements: REQ-STALL')
  await published(digest('a1'), root)
  await published(digest('b2'), fix)
  await deployed('deploy-1', digest('a1'), 200)
  await deployed('deploy-2', digest('b2'), 190)
  await reaches('released')

  await removed('removal-1', 100)
  await reaches('built')
  const place = { service: 'stall', environment: 'production' }
  expect(await ask('releases.v1.Releases/WhatRuns', place)).toMatchObject({ deployment_id: '', artifact: '' })
  expect(await ask('operations.v1.Operations/WhatRuns', place)).toMatchObject({ running: [] })
  expect((await ask('builds.v1.Builds/GetPlacement', place)).placement).toMatchObject({
    artifact: digest('b2'),
    share: 0,
    requirement_ids: [],
    requirements_left: ['REQ-STALL'],
  })

  // told late, of before the removal: still nothing runs
  await deployed('deploy-3', digest('b2'), 150)
  await rondo.settled()
  expect(await phase()).toBe('built')
  await deployed('deploy-4', digest('b2'), 50)
  await reaches('released')
  await removed('removal-2', 80)
  await rondo.settled()
  expect(await phase()).toBe('released')

  // It says what runs again, and names no deployment
  await cdevent('rolledback', 'return-1', 40, { artifactId: `pkg:oci/stall@${digest('a1')}` })
  await reaches('built')
  expect(await ask('releases.v1.Releases/WhatRuns', place)).toMatchObject({ artifact: digest('a1') })
  const { running } = await ask('operations.v1.Operations/WhatRuns', place)
  expect(running).toMatchObject([{ artifact: digest('a1'), share: 1 }])
  const from = { ...place, from: minutesAgo(1000), to: minutesAgo(0) }
  expect((await ask('releases.v1.Releases/Metrics', from)).change_failure_rate.failed).toMatchObject([{ deployment_id: expect.anything() }])

  await deployed('deploy-5', digest('b2'), 30)
  await reaches('released')
  const gone = { deployment_id: 'all', service: 'stall', environment: 'production', state: 'DEPLOYMENT_STATE_REMOVED', whole_service: true }
  await emit('removal-3', 20, { deployment: gone })
  await reaches('built')
  expect(await ask('releases.v1.Releases/WhatRuns', place)).toMatchObject({ deployment_id: '', artifact: '' })
  const { body } = await rondo.rpc('rondo.intake.v1.Intake/Emit', {
    event: {
      id: 'removal-4',
      source: 'https://ci.example.org/stall',
      time: minutesAgo(10),
      deployment: { ...gone, state: 'DEPLOYMENT_STATE_SUCCEEDED' },
    },
  })
  expect(body.message).toContain('whole_service')
}, 120_000)
