import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { expect, test } from 'vitest'
import { shielding, withoutAddresses } from './shielding.ts'

test('an address is told as its hash, what only looks like one is left', () => {
  expect(withoutAddresses('person/ada@example.org')).toBe('person/sha256:cfe00dde46ef9426')
  expect(withoutAddresses('person:ada@example.org and eve@example.org')).not.toContain('example.org')
  expect(withoutAddresses('pkg:oci/shop@sha256:abc')).toBe('pkg:oci/shop@sha256:abc')
})

test('no span that is kept has an address, whoever made it', async () => {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [shielding, new SimpleSpanProcessor({ exporter })] })
  const span = provider.getTracer('test').startSpan('call', { attributes: { 'user.id': 'ada@example.org', count: 2 } })
  span.setAttributes({ list: ['ada@example.org', 'x'], 'artifact.purl': 'pkg:npm/shop@1.2.0-beta.rc' })
  span.addEvent('refused', { 'exception.message': 'ada@example.org contributed' })
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'ada@example.org contributed' })
  span.end()
  await provider.forceFlush()
  const [{ attributes, events, status } = { attributes: {}, events: [], status: { code: 0 } }] = exporter.getFinishedSpans()
  expect(attributes).toEqual({
    'user.id': 'sha256:cfe00dde46ef9426',
    count: 2,
    list: ['sha256:cfe00dde46ef9426', 'x'],
    'artifact.purl': 'pkg:npm/shop@1.2.0-beta.rc',
  })
  expect(JSON.stringify([events.map((one) => one.attributes), status])).not.toContain('example.org')
})
