import { randomUUID } from 'node:crypto'
import { needs } from '@rondo/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../rig/client.ts'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const { met } = needs('postgres18')
let rondo: Rondo
let reporter: string
beforeAll(async () => {
  if (!met) return
  rondo = await startRondo()
  reporter = await rondo.token('service:ci', 'reporter')
})
afterAll(() => rondo?.stop())

const post = (path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
  rondo.send('POST', path, { body, headers: { authorization: `Bearer ${reporter}`, 'content-type': 'application/json', ...headers } })
const refused = ({ status, body }: Answer) => ({ status, code: body.code, path: body.path })

const bodies: readonly (readonly [string, string | Uint8Array, RegExp, number])[] = [
  ['no JSON', 'hello', /not JSON/, 400],
  ['cut off', '{"version":"4","alerts":[{"status":"fir', /not JSON/, 400],
  ['10 MB', JSON.stringify({ filler: 'x'.repeat(10 * 1024 * 1024) }), /larger than the 8 MiB/, 413],
  ['nested 10,000 deep', '['.repeat(10_000) + ']'.repeat(10_000), /deeper than 200/, 400],
  ['with a duplicate key', '{"status":"firing","status":"resolved","alerts":[]}', /"status" stands twice/, 400],
  ['with NUL', '{"status":"firing","alerts":[{"labels":{"a":"\\u0000"}}]}', /alerts\[0\]\.labels\.a: .*NUL/, 400],
  ['with a lone surrogate', '{"status":"\\ud800"}', /status: .*lone surrogate/, 400],
  ['with an integer beyond 2^53', '{"truncatedAlerts":9007199254740993}', /truncatedAlerts: .*2\^53/, 400],
  ['empty', '', /empty/, 400],
  ['no UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), /UTF-8/, 400],
]

describe('a body', () => {
  test.each(bodies)('that is %s is refused where JSON is read', async (_, body, said, status) => {
    for (const [path, headers] of [
      ['/v1/webhooks/alertmanager', {}],
      ['/v1/events', { 'content-type': 'application/cloudevents+json' }],
      ['/rondo.requirements.v1.Requirements/GetRequirement', {}],
    ] as const) {
      const answer = await post(path, body, headers)
      expect(answer.body.detail ?? answer.body.message, path).toMatch(said)
      if (path.startsWith('/v1')) expect(answer, path).toMatchObject({ status, body: { status } })
      else expect(answer.status, path).toBeGreaterThanOrEqual(400)
    }
  })

  test('that is refused leaves nothing behind', async () => {
    await rondo.settled()
    expect((await rondo.rpc('rondo.operations.v1.Operations/ListSignals')).body.signals).toEqual([])
  })
})

const event = (context: object, content: object = { outcome: 'pass' }, envelope: object = {}) => {
  const full = {
    version: '0.4.1',
    id: randomUUID(),
    source: 'https://ci.example.org',
    type: 'dev.cdevents.pipelinerun.started.0.2.0',
    timestamp: '2026-11-20T09:00:00Z',
    ...context,
  } as Record<string, unknown>
  const { id, source, type, timestamp } = full
  return {
    specversion: '1.0',
    id,
    source,
    type,
    time: timestamp,
    datacontenttype: 'application/json',
    data: { context: full, subject: { id: 'run-1', type: 'pipelineRun', content } },
    ...envelope,
  }
}
const send = (one: object) => post('/v1/events', JSON.stringify(one), { 'content-type': 'application/cloudevents+json' })

describe('an event', () => {
  test.each([
    ['of an unknown type', event({ type: 'dev.cdevents.pipelinerun.exploded.0.1.0' }), 422, 'unsupported', /exploded/],
    ['of another vocabulary', event({ type: 'com.example.something' }), 422, 'unsupported', /com\.example/],
    ['of an unknown CDEvents version', event({ version: '0.9.0' }), 422, 'unsupported', /0\.9\.0/],
    ['without a time', event({ timestamp: undefined }), 400, 'invalid', /timestamp/],
    ['with a time that is none', event({ timestamp: '2026-02-30T09:00:00Z' }), 400, 'invalid', /2026-02-30/],
    ['from the future', event({ timestamp: '2031-01-01T00:00:00Z' }), 400, 'invalid', /future/],
    ['whose ids disagree', event({}, {}, { id: 'another' }), 400, 'invalid', /context\.id/],
    ['of CloudEvents 0.3', event({}, {}, { specversion: '0.3' }), 422, 'unsupported', /0\.3/],
    ['without an id', event({}, {}, { id: '' }), 400, 'invalid', /id/],
  ])('%s is refused', async (_, one, status, code, said) => {
    const answer = await send(one)
    expect(answer).toMatchObject({ status, body: { code, detail: expect.stringMatching(said) } })
  })

  test('in a batch that is wrong does not touch the others', async () => {
    const batch = [event({}), event({ timestamp: 'yesterday' }), event({})]
    const { status, body } = await post('/v1/events', JSON.stringify(batch), { 'content-type': 'application/cloudevents-batch+json' })
    expect(status).toBe(202)
    expect(body.results.map((one: { status: string }) => one.status)).toEqual(['accepted', 'refused', 'accepted'])
    expect(body.results[1]).toMatchObject({ code: 'invalid', path: expect.stringMatching(/^\[1\]/) })
  })

  test('under an id that was seen with another content is refused, and listed; the first stands', async () => {
    const first = event({ id: 'twice' })
    expect((await send(first)).body.results[0].status).toBe('accepted')
    await rondo.settled()
    expect((await send(first)).body.results[0].status).toBe('duplicate')
    expect(refused(await send(event({ id: 'twice', timestamp: '2026-11-20T10:00:00Z' })))).toMatchObject({ status: 409, code: 'id_reused' })
    await rondo.settled()
    const { refused: listed } = (await rondo.rpc('rondo.intake.v1.Intake/ListRefused')).body
    expect(listed).toContainEqual(expect.objectContaining({ code: 'id_reused' }))
    const { body } = await rondo.rpc('rondo.builds.v1.Builds/ListBuilds', { source: 'https://ci.example.org' })
    expect(body.builds.filter((one: { build_id: string }) => one.build_id === 'run-1')).toHaveLength(1)
  })
})

const repository = { id: 77, full_name: 'example/bad', html_url: 'https://github.com/example/bad', default_branch: 'main' }
const run = (status: string, run_attempt: number, conclusion: string | null, minute: number) => ({
  action: status === 'queued' ? 'requested' : status,
  repository,
  workflow_run: {
    id: 900,
    name: 'ci',
    run_attempt,
    status,
    conclusion,
    head_sha: 'a'.repeat(40),
    head_branch: 'main',
    html_url: 'https://github.com/example/bad/actions/runs/900',
    created_at: '2026-11-20T09:00:00Z',
    run_started_at: `2026-11-20T09:0${run_attempt}:00Z`,
    updated_at: `2026-11-20T09:${String(minute).padStart(2, '0')}:00Z`,
  },
})

describe('a webhook of GitHub', () => {
  test('without, or with a wrong signature is refused', async () => {
    const headers = { 'content-type': 'application/json', 'x-github-event': 'ping', 'x-github-delivery': randomUUID() }
    expect(refused(await rondo.send('POST', '/v1/webhooks/github', { body: '{}', headers }))).toMatchObject({
      status: 401,
      code: 'bad_signature',
    })
    const wrong = { ...headers, 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` }
    expect(refused(await rondo.send('POST', '/v1/webhooks/github', { body: '{}', headers: wrong }))).toMatchObject({
      status: 401,
      code: 'bad_signature',
    })
  })

  test('is taken once for its delivery id, and again without effect under another', async () => {
    const body = run('queued', 1, null, 0)
    const delivery = randomUUID()
    expect((await rondo.github('workflow_run', body, delivery)).body.results[0].status).toBe('accepted')
    await rondo.settled()
    expect((await rondo.github('workflow_run', body, delivery)).body.results[0].status).toBe('duplicate')
    expect((await rondo.github('workflow_run', body)).body.results[0].status).toBe('accepted')
  })

  test('out of order and from a re-run ends where it should', async () => {
    for (const [status, attempt, conclusion, minute] of [
      ['completed', 1, 'failure', 20],
      ['in_progress', 1, null, 10],
      ['completed', 2, 'success', 40],
      ['queued', 1, null, 0],
      ['in_progress', 2, null, 30],
    ] as const)
      expect((await rondo.github('workflow_run', run(status, attempt, conclusion, minute))).status).toBe(202)
    await rondo.settled()
    const { body } = await rondo.rpc('rondo.builds.v1.Builds/GetBuild', { source: repository.html_url, build_id: 'workflow_run/900' })
    expect(body.build).toMatchObject({ phase: 'finished', outcome: 'success' })
    expect(body.build.attempts.map((one: { outcome: string }) => one.outcome)).toEqual(['failure', 'success'])
  })

  test('of a deleted branch is a deleted branch', async () => {
    const push = {
      ref: 'refs/heads/old',
      before: 'b'.repeat(40),
      after: '0'.repeat(40),
      created: false,
      deleted: true,
      forced: false,
      head_commit: null,
      commits: [],
      repository: { ...repository, pushed_at: 1_795_000_000 },
      pusher: { name: 'ada' },
    }
    expect((await rondo.github('push', push)).status).toBe(202)
    await rondo.settled()
    const { repositories } = (await rondo.rpc('rondo.builds.v1.Builds/ListRepositories')).body
    const [known] = repositories.filter((one: { full_name: string }) => one.full_name === 'example/bad')
    expect(known.refs).toContainEqual(expect.objectContaining({ name: 'old', deleted: true }))
    expect(JSON.stringify((await rondo.rpc('rondo.builds.v1.Builds/ListChanges')).body)).not.toContain('0000000000')
  })
})

test("Alertmanager's end of year 1 is no end", async () => {
  await rondo.rpc('rondo.operations.v1.Operations/PutService', { service: 'bad', owner: 'team-bad', alert_labels: { service: 'bad' } })
  const alert = {
    status: 'firing',
    labels: { alertname: 'Slow', service: 'bad' },
    startsAt: '2026-11-20T09:00:00Z',
    endsAt: '0001-01-01T00:00:00Z',
    fingerprint: 'f00',
  }
  expect(
    (await post('/v1/webhooks/alertmanager', JSON.stringify({ version: '4', status: 'firing', externalURL: 'http://am', alerts: [alert] })))
      .status,
  ).toBe(202)
  await rondo.settled()
  const { signals } = (await rondo.rpc('rondo.operations.v1.Operations/ListSignals', { service: 'bad' })).body
  expect(signals).toMatchObject([{ phase: 'open', ended_at: '' }])
})

describe('an ask', () => {
  const requirements = (method: string, request: object, token?: string) =>
    rondo.rpc(`rondo.requirements.v1.Requirements/${method}`, request, token)
  const debug = ({ body }: Answer) => body.details[0].debug

  test('for what does not exist, from the wrong role, from nobody', async () => {
    expect(await requirements('GetRequirement', { requirement_id: 'REQ-NONE' })).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect(await requirements('Decline', { requirement_id: 'REQ-BAD', reason: 'x' }, reporter)).toMatchObject({
      status: 403,
      body: { code: 'permission_denied', message: expect.stringMatching(/product_owner/) },
    })
    expect(await requirements('Raise', { title: 'x', service: 'shop' }, 'rondo_unknown')).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    })
  })

  test('that the phase does not allow says from, to and all that is missing', async () => {
    await requirements('Raise', { requirement_id: 'REQ-BAD', title: 'x', service: 'shop' })
    const answer = await requirements('MakeReady', { requirement_id: 'REQ-BAD' })
    expect(debug(answer)).toMatchObject({ code: 'wrong_phase', phase: 'draft' })
    expect(debug(answer).missing.length).toBeGreaterThan(3)
    expect(answer.body.message).toMatch(/draft.*ready/)
  })

  test('with the same message id and another content is refused', async () => {
    const ask = async (title: string) =>
      rondo.send('POST', '/rondo.requirements.v1.Requirements/Raise', {
        body: JSON.stringify({ requirement_id: 'REQ-ONCE', title, service: 'shop' }),
        headers: {
          'content-type': 'application/json',
          'x-rondo-message-id': 'once',
          authorization: `Bearer ${await rondo.token('barbara', 'product_owner')}`,
        },
      })
    const first = await ask('one')
    expect(first.status).toBe(200)
    expect((await ask('one')).body).toEqual(first.body)
    expect(await ask('two')).toMatchObject({ status: 409, body: { code: 'already_exists' } })
  })

  test('with an unknown field or a wrong type names it', async () => {
    expect(debug(await requirements('Raise', { titel: 'x' }))).toMatchObject({ code: 'invalid', path: 'titel' })
    expect(debug(await requirements('Refine', { requirement_id: 'REQ-BAD', goal: 'g', acceptance: ['a', 7] }))).toMatchObject({
      code: 'invalid',
      path: 'acceptance[1]',
    })
    expect(await rondo.rpc('rondo.requirements.v1.Requirements/Dance')).toMatchObject({ status: 404 })
  })

  test('from a page of another origin is refused on the loopback', async () => {
    expect(await rondo.send('GET', '/', { headers: { origin: 'https://evil.example' } })).toMatchObject({
      status: 403,
      body: { code: 'forbidden', path: 'Origin' },
    })
  })
})
