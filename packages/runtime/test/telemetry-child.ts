// One fact from a call to the reaction of another service, with everything instrumented; prints the spans as JSON.
import { trace } from '@opentelemetry/api'
import { eventually } from '@rondo/testkit'
import { Redis } from 'ioredis'
import { exporter } from './register-in-memory.ts'
import { runServices } from './running.ts'
import { countsService, thingsService } from './services.ts'

const { REDIS, ...env } = process.env as Record<string, string>
const process_ = await runServices(
  [thingsService, countsService],
  Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('RONDO_'))),
)
const { channels, log } = process_
await channels.call('things', 'rondo.things.v1.Things/Note', { thing_id: 'a', text: 'one' }, { authorization: 'Bearer developer' })
const counted = () => channels.call('counts', 'rondo.counts.v1.Counts/Get', { thing_id: 'a' }, { authorization: 'Bearer auditor' })
try {
  await eventually(async () => (await counted()).notes === '1', { within: 30_000 })
} catch (error) {
  throw new Error(`the fact had no effect; the log: ${JSON.stringify(log)}`, { cause: error })
}
await fetch(`${process_.addresses.http}/nowhere`)
if (REDIS) {
  await trace.getTracer('test').startActiveSpan('with redis', async (span) => {
    const redis = new Redis(REDIS)
    await redis.set('a', 'b')
    redis.disconnect()
    span.end()
  })
}
const broken = await channels
  .call('things', 'rondo.things.v1.Things/Break', { thing_id: 'a' }, { authorization: 'Bearer auditor' })
  .catch((error: Error) => error.message)
if (typeof broken !== 'string') throw new Error('a row that is broken on purpose gave an answer')
// What has had its effect need not have been sent on yet
await eventually(() => exporter.getFinishedSpans().some(({ name }) => name === 'send rondo.counts.v1'), { within: 30_000 })
// Before the stop: an exporter that was shut down has forgotten them.
const spans = exporter.getFinishedSpans().map((span) => ({
  name: span.name,
  scope: span.instrumentationScope.name.replace('@opentelemetry/instrumentation-', ''),
  service: span.resource.attributes['service.name'],
  kind: span.kind,
  traceId: span.spanContext().traceId,
  spanId: span.spanContext().spanId,
  parent: span.parentSpanContext?.spanId,
  links: span.links.map(({ context }) => context.spanId),
  attributes: span.attributes,
}))
await process_.stop()
process.stdout.write(JSON.stringify({ spans, log }))
process.exit()
