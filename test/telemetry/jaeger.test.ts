import { readFile } from 'node:fs/promises'
import { freshDatabase, type Jaeger, jaegerMissing, needs, ownEngine, redis, startJaeger } from '@rondo/testkit'
import { afterAll, expect, test } from 'vitest'
import { type Processes, services, startProcesses } from '../rig/processes.ts'
import { played, type Turn } from '../rig/turn.ts'
import { allSpans, reported, type Span, spansWith } from './spans.ts'
import { alertOf, allStations, event, stations, theOne } from './stations.ts'
import { Graph, told } from './walk.ts'

// Two turns, so that what connects everything with everything would be seen.
const engines = needs('postgres18', 'kafka', 'redis', { also: jaegerMissing() })
/** Milliseconds; Jaeger may have to be built. */
const patience = 30 * 60_000

let jaeger: Jaeger | undefined
let spans: readonly Span[]
let turns: readonly [Turn, Turn]
let log: readonly Readonly<Record<string, unknown>>[]

const isJson = (line: string) => line.startsWith('{')

/** The same id with another content: whoever reads it says so in its log. */
async function conflicting({ url, dataDir }: Processes): Promise<void> {
  const authorization = `Bearer ${await readFile(`${dataDir}/token`, 'utf8')}`
  for (const status of ['firing', 'resolved']) {
    const event = {
      id: 'twice',
      source: 'https://example.org',
      time: '2026-11-25T10:00:00Z',
      errors: {
        service: 'x',
        environment: 'production',
        artifact: '',
        error_class: status,
        title: '',
        from: '2026-11-25T09:00:00Z',
        to: '2026-11-25T09:01:00Z',
        events: '0',
        requests: '1',
        event_ids: [],
      },
    }
    await fetch(`${url}/rondo.intake.v1.Intake/Emit`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ event }),
    })
  }
}

engines.beforeAll(async () => {
  jaeger = await startJaeger()
  // Of its own: topics of other runs would belong to other ledgers.
  const kafka = await ownEngine('kafka')
  const rondo = await startProcesses({
    RONDO_DATABASE_URL: await freshDatabase(),
    RONDO_KAFKA_BROKERS: kafka.address,
    RONDO_REDIS_URL: redis(),
    OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp,
    // Jaeger takes traces only
    OTEL_METRICS_EXPORTER: 'none',
  })
  try {
    turns = [await played(rondo), await played(rondo)]
    await conflicting(rondo)
  } finally {
    // At their end they send what they still have.
    await rondo.end()
    await kafka.stop()
  }
  log = rondo.log.filter(isJson).map((line) => JSON.parse(line) as Record<string, unknown>)
  spans = await allSpans(jaeger.query)
}, patience)
afterAll(() => jaeger?.stop())

const one = (wanted: (span: Span) => boolean): Span => theOne(spans, wanted)

test('each service reported', async () => {
  expect(await reported(jaeger?.query ?? '')).toEqual(expect.arrayContaining(services.map((name) => `rondo-${name}`)))
})

test('each instrumented library is seen, and idle work makes no traces', () => {
  const scopes = new Set(spans.map(({ scope }) => scope))
  expect([...scopes].sort()).toEqual(['grpc', 'http', 'ioredis', 'kafkajs', 'pg', 'rondo'])
  expect(spans.filter(({ scope, parent }) => ['pg', 'ioredis'].includes(scope) && !parent)).toEqual([])
})

test('log lines carry the trace that they belong to', () => {
  const line = log.find(({ msg }) => String(msg).startsWith('another content under an id'))
  expect(line).toMatchObject({ trace_id: expect.any(String), span_id: expect.any(String) })
  const span = one(({ spanId }) => spanId === line?.span_id)
  expect(span).toMatchObject({ traceId: line?.trace_id, name: 'process rondo.intake.v1' })
})

test('a fact that is sent and handled is told by the conventions for messaging', () => {
  const [{ requirement }] = turns
  const common = {
    'messaging.system': 'kafka',
    'messaging.destination.name': 'rondo.requirements.v1',
    'messaging.destination.partition.id': expect.stringMatching(/^\d+$/),
    'messaging.message.id': expect.any(String),
    'messaging.message.conversation_id': expect.any(String),
    'messaging.kafka.message.key': `requirement/${requirement}`,
    'messaging.kafka.offset': expect.any(Number),
    'cloudevents.event_id': expect.any(String),
    'cloudevents.event_source': '/rondo/requirements',
    'cloudevents.event_type': 'rondo.requirements.requirement.refined.v1',
    'cloudevents.event_subject': `requirement/${requirement}`,
    'cloudevents.event_spec_version': '1.0',
    'rondo.loop.id': requirement,
    'rondo.requirement.id': requirement,
    'rondo.correlation_id': expect.any(String),
    'rondo.cause.trace_id': expect.stringMatching(/^[0-9a-f]{32}$/),
    'rondo.cause.span_id': expect.stringMatching(/^[0-9a-f]{16}$/),
    'rondo.url': expect.stringMatching(new RegExp(`^http://127\\.0\\.0\\.1:\\d+/#${requirement}$`)),
    'user.id': expect.stringMatching(/^sha256:[0-9a-f]{16}$/),
  }
  const ours = (span: Span) => span.tags['rondo.loop.id'] === requirement
  const sent = one((span) => event('requirements.requirement.refined.v1', 'producer')(span) && ours(span))
  expect(sent).toMatchObject({ name: 'send rondo.requirements.v1', service: 'rondo-requirements', parent: undefined })
  expect(sent.tags).toMatchObject({ ...common, 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' })
  const handled = one((span) => event('requirements.requirement.refined.v1', 'consumer')(span) && ours(span))
  expect(handled).toMatchObject({ name: 'process rondo.requirements.v1', parent: undefined })
  expect(handled.tags).toMatchObject({
    ...common,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.consumer.group.name': handled.service.replace('-', '.'),
  })
})

test('stages of the loop are told by the conventions for CI/CD, version control, tests, artifacts and deployments', () => {
  const [turn] = turns
  const of = (type: string, more: (span: Span) => boolean = () => true) => one((span) => event(type, 'consumer')(span) && more(span)).tags
  const full_name = `example/${turn.service}`
  expect(of('intake.change.observed.v1', ({ tags }) => tags['vcs.ref.head.revision'] === turn.commit)).toMatchObject({
    'vcs.provider.name': 'github',
    'vcs.owner.name': 'example',
    'vcs.repository.name': turn.service,
    'vcs.repository.url.full': `https://github.com/${full_name}`,
  })
  const build = one(({ name, kind }) => name === 'BUILD main' && kind === 'server')
  expect(build).toMatchObject({ service: 'rondo-builds', scope: 'rondo' })
  expect(build.tags).toMatchObject({ 'cicd.pipeline.name': 'main', 'cicd.pipeline.run.id': expect.any(String) })
  expect(of('intake.evidence.tests_reported.v1')).toMatchObject({
    'test.suite.name': 'payment',
    'test.suite.run.status': 'success',
    'artifact.hash': expect.stringMatching(/^sha256:/),
  })
  expect(of('intake.artifact.observed.v1', ({ tags }) => tags['artifact.hash'] === turn.artifact)).toMatchObject({
    'artifact.purl': `pkg:oci/${turn.service}@${encodeURIComponent(turn.artifact)}`,
    'oci.manifest.digest': turn.artifact,
  })
  expect(of('intake.deployment.observed.v1', ({ tags }) => tags['artifact.hash'] === turn.artifact)).toMatchObject({
    'deployment.status': 'succeeded',
    'deployment.environment.name': 'production',
    'service.name': turn.service,
    'cicd.pipeline.action.name': 'SYNC',
    'cicd.pipeline.task.type': 'deploy',
  })
  // It is decided each time that evidence comes, of which some may be later than the artifact: "inconclusive" until then
  const decided = spans.filter(event('builds.gate.decided.v1', 'consumer')).filter(({ tags }) => tags['rondo.loop.id'] === turn.requirement)
  expect(decided.map(({ tags }) => tags['rondo.gate.verdict'])).toContain('pass')
  expect(of('operations.proof.judged.v1', ({ tags }) => tags['rondo.loop.id'] === turn.requirement)).toMatchObject({
    'rondo.proof.verdict': 'verified',
  })
})

test('a turn is found by one search, in every service that it went through', async () => {
  const [{ requirement }] = turns
  const found = await Promise.all(
    services.map(async (name) => [name, (await spansWith(jaeger?.query ?? '', `rondo-${name}`, { 'rondo.loop.id': requirement })).length]),
  )
  const seen = Object.fromEntries(found)
  for (const name of ['requirements', 'builds', 'releases', 'operations', 'feedback']) expect(seen[name], name).toBeGreaterThan(0)
})

test.each(allStations)('from the alert one can walk to the %s by parents and links, and to no other turn', (station) => {
  const graph = new Graph(spans, { both: true })
  const [turn, other] = turns
  const alert = one(alertOf(turn))
  const path = graph.walk(alert, stations[station](turn))
  expect(path && told(path)).toBeDefined()
  expect(path?.length).toBeLessThan(25)
  expect(graph.walk(alert, stations[station](other))).toBeUndefined()
})

test('what led to a verified requirement is found backwards alone: deployment, approval, commit, alert', () => {
  const [turn] = turns
  const graph = new Graph(spans, { both: false })
  const verified = one(
    (span) => event('requirements.requirement.verified.v1', 'producer')(span) && span.tags['rondo.loop.id'] === turn.requirement,
  )
  const { traceId } = one(alertOf(turn))
  for (const wanted of [...allStations.map((name) => stations[name](turn)), (span: Span) => span.traceId === traceId])
    expect(graph.walk(verified, wanted)).toBeDefined()
})

test('no span stays open, and none tells an address', () => {
  expect(spans.filter(({ durationMs }) => durationMs > 30_000)).toEqual([])
  expect(spans.filter(({ name, tags }) => /[\w.-]+@example\.org/.test(JSON.stringify([name, tags])))).toEqual([])
})
