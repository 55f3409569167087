import { needs } from '@rondo/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

needs('postgres18')

const source = 'https://ci.example.org/order'
const [root, fix] = ['1'.repeat(40), '2'.repeat(40)]
const [old, fixed] = [`sha256:${'a1'.repeat(32)}`, `sha256:${'b2'.repeat(32)}`]
const minute = (at: number) => new Date(Date.parse('2026-11-20T09:00:00Z') + at * 60_000).toISOString()
const repository = { host: 'github.com', full_name: 'example/order', id: '' }
const ada = { email: 'ada@example.org', login: '', name: 'Ada' }

const emit = (id: string, at: number, body: object) => ({ id, source, time: minute(at), ...body })
const change = (sha: string, parents: readonly string[], at: number, message: string) =>
  emit(`change-${sha[0]}`, at, {
    change: { repository, sha, parents, parents_known: true, message, committed_at: minute(at), author: ada, committer: ada },
  })
const build = (phase: string, attempt: number, at: number, outcome = 'UNSPECIFIED') =>
  emit(`build-${attempt}-${phase}`, at, {
    build: {
      build_id: 'b-1',
      kind: 'BUILD_KIND_BUILD',
      name: 'order',
      attempt,
      phase: `BUILD_PHASE_${phase}`,
      outcome: `OUTCOME_${outcome}`,
      repository,
      revision: fix,
    },
  })
const artifact = (digest: string, revision: string, at: number) =>
  emit(`artifact-${digest.slice(7, 9)}`, at, {
    artifact: { digest, name: 'pkg:oci/order', phase: 'ARTIFACT_PHASE_PUBLISHED', repository, revision },
  })
const deployed = (digest: string, at: number) =>
  emit(`deployed-${digest.slice(7, 9)}`, at, {
    deployment: {
      deployment_id: `d-${digest.slice(7, 9)}`,
      service: 'order',
      environment: 'production',
      artifact: digest,
      state: 'DEPLOYMENT_STATE_SUCCEEDED',
    },
  })
const errors = (digest: string, at: number, events: number) =>
  emit(`errors-${digest.slice(7, 9)}-${at}`, at + 5, {
    errors: {
      service: 'order',
      environment: 'production',
      artifact: digest,
      error_class: 'Timeout',
      from: minute(at),
      to: minute(at + 5),
      events: String(events),
      requests: '1000',
    },
  })

/** One turn's intake, as CI and production would tell it. */
const told = [
  change(root, [], 0, 'Begin'),
  change(fix, [root], 60, 'Wait for the bank\n\nImplements: REQ-ORDER'),
  artifact(old, root, 10),
  deployed(old, 20),
  errors(old, 30, 20),
  errors(old, 40, 10),
  build('QUEUED', 1, 61),
  build('STARTED', 1, 62),
  build('FINISHED', 1, 63, 'FAILURE'),
  build('STARTED', 2, 64),
  build('FINISHED', 2, 65, 'SUCCESS'),
  artifact(fixed, fix, 66),
  deployed(fixed, 70),
  errors(fixed, 75, 0),
]

async function played(order: readonly number[], perBatch: number): Promise<string> {
  const rondo = await startRondo()
  try {
    await rondo.rpc('rondo.operations.v1.Operations/PutService', {
      service: 'order',
      owner: 'team',
      repositories: ['example/order'],
      artifacts: ['pkg:oci/order'],
      alert_labels: { service: 'order' },
    })
    await rondo.rpc('rondo.requirements.v1.Requirements/Raise', { requirement_id: 'REQ-ORDER', title: 'No time-outs', service: 'order' })
    for (let at = 0; at < order.length; at += perBatch) {
      const events = order.slice(at, at + perBatch).flatMap((index) => told[index] ?? [])
      const { body } = await rondo.rpc('rondo.intake.v1.Intake/EmitBatch', { events })
      for (const { status, message } of body.results) expect(['accepted', 'duplicate'], message).toContain(status)
    }
    await rondo.settled()
    return await seen(rondo)
  } finally {
    await rondo.stop()
  }
}

/** What a user sees in the end; ids that come from the event that happened to arrive first are left out. */
async function seen(rondo: Rondo): Promise<string> {
  const ask = async (method: string, request: object) => (await rondo.rpc(`rondo.${method}`, request)).body
  const { summary, changes, places } = await ask('requirements.v1.Requirements/GetRequirement', { requirement_id: 'REQ-ORDER' })
  const { requirements } = await ask('requirements.v1.Requirements/ListRequirements', { service: 'order' })
  const { signals } = await ask('operations.v1.Operations/ListSignals', { service: 'order' })
  const { build: built } = await ask('builds.v1.Builds/GetBuild', { source, build_id: 'b-1' })
  const running = await ask('releases.v1.Releases/WhatRuns', { service: 'order', environment: 'production' })
  const contains = await ask('builds.v1.Builds/Contains', { repository: 'example/order', revision: fix, commit: root })
  return JSON.stringify(
    {
      requirement: { phase: summary.phase, changes, places },
      backlog: requirements
        .map(({ title, phase, impact }: Record<string, unknown>) => ({ title, phase, impact }))
        .sort((a: { title: string }, b: { title: string }) => (a.title < b.title ? -1 : 1)),
      signals: signals.map(({ problem, phase, first_seen_at, last_seen_at }: Record<string, unknown>) => ({
        problem,
        phase,
        first_seen_at,
        last_seen_at,
      })),
      build: { phase: built.phase, outcome: built.outcome, attempts: built.attempts },
      running: { artifact: running.artifact, since: running.since, requirements: running.requirements },
      contains: contains.answer,
    },
    null,
    1,
  )
}

describe('the same intake', () => {
  const inOrder = told.map((_, index) => index)

  test('in any order, told any number of times, ends in the same state', async () => {
    const expected = await played(inOrder, told.length)
    expect(expected).toContain('"outcome": "success"')
    expect(JSON.parse(expected)).toMatchObject({
      requirement: { phase: 'released' },
      running: { artifact: fixed },
      contains: 'yes',
      signals: [{ problem: 'order: Timeout' }],
    })
    const anyOrder = fc.tuple(
      fc.shuffledSubarray(inOrder, { minLength: told.length }),
      fc.array(fc.nat(told.length - 1), { maxLength: 8 }),
      fc.integer({ min: 1, max: told.length }),
    )
    await fc.assert(
      fc.asyncProperty(anyOrder, async ([order, again, perBatch]) => {
        expect(await played([...order, ...again], perBatch)).toBe(expected)
      }),
      { numRuns: 8, endOnFailure: true },
    )
  }, 180_000)
})
