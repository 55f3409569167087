import { freshDatabase, type Jaeger, jaegerMissing, needs, startJaeger } from '@rondo/testkit'
import { afterAll, expect, test } from 'vitest'
import { services, startAllInOne } from '../rig/processes.ts'
import { played, type Turn } from '../rig/turn.ts'
import { allSpans, reported, type Span } from './spans.ts'
import { alertOf, allStations, event, stations, theOne } from './stations.ts'
import { Graph } from './walk.ts'

// As jaeger.test.ts, where all services share one process and the bus is PostgreSQL.
const engines = needs('postgres18', { also: jaegerMissing() })
/** Milliseconds; Jaeger may have to be built. */
const patience = 30 * 60_000

let jaeger: Jaeger | undefined
let spans: readonly Span[]
let turn: Turn

engines.beforeAll(async () => {
  jaeger = await startJaeger()
  const rondo = await startAllInOne({
    RONDO_DATABASE_URL: await freshDatabase(),
    OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp,
    OTEL_METRICS_EXPORTER: 'none',
  })
  try {
    turn = await played(rondo)
  } finally {
    await rondo.end()
  }
  spans = await allSpans(jaeger.query)
}, patience)
afterAll(() => jaeger?.stop())

test('each service reports under its own name, the process under its own', async () => {
  expect([...(await reported(jaeger?.query ?? ''))].sort()).toEqual(['rondo', ...services.map((name) => `rondo-${name}`)].sort())
})

test('the bus on PostgreSQL is told as one, and its polling makes no traces', () => {
  const sent = theOne(spans, event('requirements.requirement.verified.v1', 'producer'))
  expect(sent).toMatchObject({ name: 'send rondo.requirements.v1', service: 'rondo-requirements' })
  expect(sent.tags).toMatchObject({ 'messaging.system': 'postgresql', 'rondo.loop.id': turn.requirement })
  expect(spans.filter(({ scope, parent }) => scope === 'pg' && !parent)).toEqual([])
})

test.each(allStations)('from the alert one can walk to the %s', (station) => {
  const alert = theOne(spans, alertOf(turn))
  expect(new Graph(spans, { both: true }).walk(alert, stations[station](turn))).toBeDefined()
})

test('no span stays open', () => {
  expect(spans.filter(({ durationMs }) => durationMs > 30_000)).toEqual([])
})
