import { expect, test } from 'vitest'
import * as builds from './builds.ts'
import { catalog } from './catalog.ts'
import * as feedback from './feedback.ts'
import * as intake from './intake.ts'
import * as releases from './releases.ts'
import { spanAttributes, stageSpan } from './span-attributes.ts'

const sha = 'a'.repeat(40)
const digest = `sha256:${'b'.repeat(64)}`
const repository = { host: 'github.com', full_name: 'example/shop' }
const shown = (stream: string, streamId: string, { type, data }: { readonly type: string; readonly data: unknown }) =>
  Object.fromEntries(
    Object.entries(spanAttributes({ type: type.replace(/\.v\d+$/, ''), stream, streamId, data })).filter(
      ([, value]) => value !== undefined,
    ),
  )

test('a commit is told by the conventions for version control', () => {
  const fact = intake.change.observed({
    repository,
    sha,
    parents: ['c'.repeat(40)],
    message: 'Wait for the bank',
    committed_at: '2026-11-25T10:00:00.000000Z',
    contributors: [{ actor: 'person:ada', role: 'author', shown: 'Ada <ada@example.org>' }],
    branch: 'main',
  })
  expect(shown('intake', 'x', fact)).toEqual({
    'vcs.provider.name': 'github',
    'vcs.owner.name': 'example',
    'vcs.repository.name': 'shop',
    'vcs.repository.url.full': 'https://github.com/example/shop',
    'vcs.ref.head.revision': sha,
    'vcs.ref.head.name': 'main',
    'vcs.ref.head.type': 'branch',
    'vcs.ref.base.revision': 'c'.repeat(40),
  })
})

test('a folder that was imported has no provider and no URL', () => {
  const fact = intake.ref.observed({
    repository: { host: 'local', full_name: 'shop' },
    name: 'v1',
    kind: 'tag',
    target: sha,
    deleted: false,
  })
  expect(shown('intake', 'x', fact)).toEqual({
    'vcs.repository.name': 'shop',
    'vcs.ref.head.name': 'v1',
    'vcs.ref.head.type': 'tag',
    'vcs.ref.head.revision': sha,
  })
})

test.each([
  ['queued', undefined, { 'cicd.pipeline.run.state': 'pending' }],
  ['started', undefined, { 'cicd.pipeline.run.state': 'executing' }],
  ['finished', 'timed_out', { 'cicd.pipeline.result': 'timeout' }],
  ['finished', 'success', { 'cicd.pipeline.result': 'success' }],
] as const)('a pipeline that is %s (%s)', (phase, outcome, expected) => {
  const fact = intake.build.observed({ source: 's', build: '7', kind: 'pipeline', name: 'main', attempt: 1, phase, outcome })
  expect(shown('intake', 'x', fact)).toEqual({
    'cicd.pipeline.name': 'main',
    'cicd.pipeline.action.name': 'BUILD',
    'cicd.pipeline.run.id': '7',
    ...expected,
  })
  expect(stageSpan({ ...fact, type: intake.build.observed.base, stream: 'intake', streamId: 'x' })).toEqual({
    name: 'BUILD main',
    kind: 'server',
    of: 'builds',
  })
})

test('a task is an inner span; a build that cannot be read is none', () => {
  const data = { source: 's', build: '7/1', kind: 'check', name: 'lint', attempt: 1, phase: 'finished', outcome: 'cancelled' }
  const event = { type: intake.build.observed.base, stream: 'intake', streamId: 'x', data }
  expect(spanAttributes(event)).toMatchObject({ 'cicd.pipeline.task.type': 'test', 'cicd.pipeline.task.run.result': 'cancellation' })
  expect(stageSpan(event)).toEqual({ name: 'lint', kind: 'internal', of: 'builds' })
  expect(stageSpan({ ...event, data: { build: 7 } })).toBeUndefined()
  expect(stageSpan({ ...event, type: builds.build.observed.base })).toBeUndefined()
})

test('a report names its suite, how it ended and the first case that failed', () => {
  const testCase = (name: string, ...outcomes: ('passed' | 'failed')[]) => ({
    suite: ['payment'],
    classname: 'p',
    name,
    attempts: outcomes.map((outcome) => ({ outcome })),
  })
  const fact = intake.evidence.tests_reported({
    artifact: digest,
    report: 'r',
    format: 'junit',
    suites: [{ path: ['payment', 'inner'], tests: 3 }],
    counts: { tests: 3, passed: 2, failed: 1, errors: 0, skipped: 0, flaky: 1 },
    cases: [testCase('flaky', 'failed', 'passed'), testCase('broken', 'failed'), testCase('good', 'passed')],
  })
  expect(shown('intake', 'x', fact)).toEqual({
    'artifact.hash': digest,
    'test.suite.name': 'payment',
    'test.suite.run.status': 'failure',
    'test.case.name': 'broken',
    'test.case.result.status': 'fail',
    'rondo.test.total': 3,
    'rondo.test.passed': 2,
    'rondo.test.failed': 1,
  })
})

test('an image is known by its digest, a package by its version', () => {
  const seen = { source: 's', digest, phase: 'published' } as const
  expect(shown('intake', 'x', intake.artifact.observed({ ...seen, name: 'pkg:oci/shop' }))).toEqual({
    'artifact.filename': 'shop',
    'artifact.purl': `pkg:oci/shop@${encodeURIComponent(digest)}`,
    'artifact.hash': digest,
    'oci.manifest.digest': digest,
  })
  expect(shown('intake', 'x', intake.artifact.observed({ ...seen, name: 'pkg:npm/shop', version: '1.2.0' }))).toMatchObject({
    'artifact.purl': 'pkg:npm/shop@1.2.0',
    'artifact.version': '1.2.0',
  })
})

test('a deployment', () => {
  const fact = intake.deployment.observed({
    source: 's',
    deployment: 'd1',
    service: 'shop',
    environment: 'production',
    artifact: digest,
    state: 'succeeded',
  })
  expect(shown('intake', 'x', fact)).toEqual({
    'deployment.id': 'd1',
    'deployment.name': 'shop',
    'deployment.status': 'succeeded',
    'rondo.deployment.state': 'succeeded',
    'deployment.environment.name': 'production',
    'service.name': 'shop',
    'service.version': digest,
    'artifact.hash': digest,
    'cicd.pipeline.action.name': 'SYNC',
    'cicd.pipeline.task.type': 'deploy',
  })
})

test('what has no convention is said under rondo., by the stream it is about', () => {
  expect(shown('release', 'REL-1', releases.release.approved({ by: 'person:grace', content_hash: 'h' }))).toEqual({
    'rondo.release.id': 'REL-1',
    'rondo.release.content_hash': 'h',
  })
})

test('data that do not fit are no error', () => {
  expect(spanAttributes({ type: intake.deployment.observed.base, stream: 'intake', streamId: 'x', data: { environment: 7 } })).toEqual({
    'deployment.environment.name': 7,
  })
  expect(spanAttributes({ type: 'rondo.unknown.thing.seen', stream: 'thing', streamId: '1', data: null })).toEqual({})
})

test('nothing personal is said, of any fact', () => {
  const secret = 'tell nobody'
  const personal = catalog.flatMap(({ facts }) =>
    facts.flatMap(({ base, schema }) => {
      const { shape } = schema as { shape?: Readonly<Record<string, { meta?: () => { personal?: boolean } | undefined }>> }
      return Object.entries(shape ?? {}).flatMap(([field, type]) => (type.meta?.()?.personal ? [{ base, field }] : []))
    }),
  )
  expect(personal.length).toBeGreaterThan(5)
  for (const { base, field } of personal) {
    const [, , stream = ''] = base.split('.')
    expect(JSON.stringify(spanAttributes({ type: base, stream, streamId: '1', data: { [field]: secret } }))).not.toContain(secret)
  }
  const fact = feedback.item.submitted({ item: 'i', text: secret, requester: 'r', channel: 'api' })
  expect(JSON.stringify(shown('item', 'i', fact))).not.toContain(secret)
})
