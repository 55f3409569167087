import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freshDatabase, needs, ownEngine, redis } from '@rondo/testkit'
import { expect, test } from 'vitest'

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const { beforeAll } = needs('postgres18', 'kafka', 'redis')

interface Span {
  readonly name: string
  readonly scope: string
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parent?: string
  readonly links: readonly string[]
  readonly attributes: Readonly<Record<string, unknown>>
}
let spans: readonly Span[]
let log: readonly Record<string, unknown>[]

beforeAll(async () => {
  // Of its own: topics of other runs would belong to other ledgers.
  const kafka = await ownEngine('kafka')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=development', '--import', path('../test/register-in-memory.ts'), path('../test/telemetry-child.ts')],
    {
      env: { PATH: process.env.PATH, RONDO_DATABASE_URL: await freshDatabase(), RONDO_KAFKA_BROKERS: kafka.address, REDIS: redis() },
      maxBuffer: 64 << 20,
      timeout: 90_000,
    },
  )
  await kafka.stop()
  ;({ spans, log } = JSON.parse(stdout) as { spans: Span[]; log: Record<string, unknown>[] })
})

const of = (name: string, service?: string) => spans.filter((span) => span.name === name && (!service || span.service === service))

test('each instrumented library is seen', () => {
  const scopes = new Set(spans.map(({ scope }) => scope))
  for (const scope of ['grpc', 'pg', 'http', 'kafkajs', 'ioredis']) expect(scopes).toContain(scope)
})

test('a fact can be followed from the call to the reaction by links', () => {
  const call = spans.find(
    ({ name, attributes }) =>
      /Things\/Note/i.test(name) && attributes['rpc.system'] === 'grpc' && name !== undefined && spans.some(({ parent }) => parent),
  )
  expect(call).toBeDefined()
  const [sent] = of('send rondo.things.v1', 'rondo-things')
  const [processed] = of('process rondo.things.v1', 'rondo-counts')
  expect(sent?.parent).toBeUndefined()
  expect(processed?.parent).toBeUndefined()
  const server = spans.find(({ spanId }) => spanId === processed?.links[0])
  expect(server).toMatchObject({ scope: 'grpc', traceId: call?.traceId })
  expect(sent?.links).toEqual(processed?.links)
  expect(processed?.attributes).toMatchObject({
    'messaging.system': 'kafka',
    'messaging.operation.name': 'process',
    'messaging.destination.name': 'rondo.things.v1',
    'messaging.consumer.group.name': 'rondo.counts',
    'cloudevents.event_type': 'rondo.things.thing.noted.v1',
    'rondo.cause.trace_id': call?.traceId,
    'rondo.cause.span_id': server?.spanId,
  })
  const [next] = of('send rondo.counts.v1', 'rondo-counts')
  expect(next?.links).toEqual([processed?.spanId])
})

test('statements belong to the handling that made them, and idle polling makes no traces', () => {
  const statements = spans.filter(({ scope }) => scope === 'pg')
  expect(statements.length).toBeGreaterThan(0)
  expect(statements.filter(({ parent }) => !parent)).toEqual([])
})

test('log lines carry the trace', () => {
  expect(log.find(({ msg }) => msg === 'a call failed by a defect')).toMatchObject({
    trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    span_id: expect.any(String),
  })
})
