import { eventually, needs } from '@rondo/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const { met } = needs('postgres18')
let rondo: Rondo
beforeAll(async () => {
  if (met) rondo = await startRondo()
})
afterAll(() => rondo?.stop())

const source = 'https://ci.example.org/again'
const repository = { host: 'github.com', full_name: 'example/again', id: '' }
const ada = { email: 'ada@example.org', login: '', name: 'Ada' }
const [root, first, second] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string]
const digest = (byte: string) => `sha256:${byte.repeat(32)}`
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
const within = { within: 20_000 }

const ask = async (method: string, request: object, token?: string) => {
  const { status, body } = await rondo.rpc(`rondo.${method}`, request, token)
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`)
  return body
}
const emit = (id: string, minutes: number, body: object) =>
  ask('intake.v1.Intake/Emit', { event: { id, source, time: ago(minutes), ...body } })
const commit = (sha: string, parents: readonly string[], minutes: number, message: string) =>
  emit(`commit-${sha[0]}`, minutes, {
    change: { repository, sha, parents, parents_known: true, message, committed_at: ago(minutes), author: ada, committer: ada },
  })
const errors = (id: string, artifact: string, minutes: number, events: number, requests: number) =>
  emit(id, minutes, {
    errors: {
      service: 'again',
      environment: 'production',
      artifact,
      error_class: 'Timeout',
      from: ago(minutes + 1),
      to: ago(minutes),
      events: String(events),
      requests: String(requests),
    },
  })
const phase = async (id: string) =>
  (await ask('requirements.v1.Requirements/GetRequirement', { requirement_id: id })).summary.phase as string
const reaches = (id: string, wanted: string) =>
  eventually(async () => (await phase(id)) === wanted, within).catch(async (error) => {
    throw new Error(`${id} is ${await phase(id)}, not ${wanted}`, { cause: error })
  })

/** From the commit to production, past gate and approval. */
async function shipped(sha: string, artifact: string, minutes: number): Promise<void> {
  await emit(`published-${sha[0]}`, minutes, {
    artifact: { digest: artifact, name: 'pkg:oci/again', phase: 'ARTIFACT_PHASE_PUBLISHED', repository, revision: sha },
  })
  const reporter = await rondo.token('service:ci', 'reporter')
  const report = '<testsuite name="again"><testcase classname="again" name="waits"/></testsuite>'
  await rondo.send('POST', `/v1/evidence/junit?artifact=${artifact}`, {
    body: report,
    headers: { authorization: `Bearer ${reporter}`, 'content-type': 'application/xml' },
  })
  const release = `REL-${artifact.slice(7, 15).toUpperCase()}`
  const grace = await rondo.token('grace@example.org', 'approver')
  await eventually(async () => {
    const { release: found } = await ask('releases.v1.Releases/GetRelease', { release_id: release })
    return (
      found.approval_obstacles.length === 0 &&
      found.gates[0]?.release_allowed === true &&
      ask('releases.v1.Releases/Approve', { release_id: release, content_hash: found.content_hash }, grace)
    )
  }, within)
  await emit(`deployed-${sha[0]}`, 0, {
    deployment: {
      deployment_id: `deploy-${sha[0]}`,
      service: 'again',
      environment: 'production',
      artifact,
      state: 'DEPLOYMENT_STATE_SUCCEEDED',
    },
  })
}

test('a requirement that comes again is fixed again, and verified again', async () => {
  await ask('operations.v1.Operations/PutService', {
    service: 'again',
    owner: 'team',
    runbook: 'https://runbook',
    objective: '99 %',
    repositories: ['example/again'],
    artifacts: ['pkg:oci/again'],
    alert_labels: { service: 'again' },
  })
  for (const person of ['ada@example.org', 'grace@example.org']) await ask('intake.v1.People/PutPerson', { person })
  await commit(root, [], 300, 'Begin')
  await emit('published-a', 290, {
    artifact: { digest: digest('a1'), name: 'pkg:oci/again', phase: 'ARTIFACT_PHASE_PUBLISHED', repository, revision: root },
  })
  await emit('deployed-a', 280, {
    deployment: {
      deployment_id: 'deploy-a',
      service: 'again',
      environment: 'production',
      artifact: digest('a1'),
      state: 'DEPLOYMENT_STATE_SUCCEEDED',
    },
  })
  await errors('before', digest('a1'), 200, 20, 1000)
  const [{ requirement_id: id }] = await eventually(async () => {
    const { requirements } = await ask('requirements.v1.Requirements/ListRequirements', { service: 'again' })
    return requirements.length === 1 && requirements
  }, within)
  await ask('requirements.v1.Requirements/Refine', {
    requirement_id: id,
    goal: 'No time-outs',
    acceptance: ['none in an hour'],
    operability: { owner: 'team', runbook: 'https://runbook', objective: '99 %' },
  })
  await ask('requirements.v1.Requirements/MakeReady', { requirement_id: id })
  await reaches(id, 'ready')

  await commit(first, [root], 100, `Wait longer\n\nImplements: ${id}`)
  await reaches(id, 'in_progress')
  await shipped(first, digest('b2'), 90)
  await reaches(id, 'verifying')
  await errors('quiet-1', digest('b2'), 0, 0, 10_000)
  await reaches(id, 'verified')

  await errors('again', digest('b2'), 0, 3, 1000)
  await reaches(id, 'reopened')
  await commit(second, [first], 0, `Ask the other bank\n\nImplements: ${id}`)
  await shipped(second, digest('c3'), 0)
  await reaches(id, 'verifying')
  await errors('quiet-2', digest('c3'), 0, 0, 100_000)
  await reaches(id, 'verified')
  const { reopenings, proofs } = await ask('requirements.v1.Requirements/GetRequirement', { requirement_id: id })
  expect(reopenings).toHaveLength(1)
  expect(proofs.filter(({ status }: { status: string }) => status === 'verified').length).toBeGreaterThan(0)
}, 120_000)
