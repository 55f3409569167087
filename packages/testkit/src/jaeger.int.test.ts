import { expect, test } from 'vitest'
import { jaegerMissing, startJaeger } from './index.ts'
import { otlpOf } from './jaeger.ts'
import { freePorts } from './port.ts'

test('an address of the environment that does not answer is named, not passed over', async () => {
  const [port] = await freePorts(1)
  const env = { RONDO_TEST_JAEGER_URL: `http://127.0.0.1:${port}` }
  expect(jaegerMissing(env)).toBeUndefined()
  await expect(startJaeger(env)).rejects.toThrow(/^RONDO_TEST_JAEGER_URL is set, but what it names does not answer/)
}, 10_000)

test('where none can be built it is told how to get one', () => {
  expect(jaegerMissing({}, () => 'no go here')).toMatch(/^jaeger is missing: no go here; install Go .* RONDO_TEST_JAEGER_URL/)
  expect(jaegerMissing({}, () => undefined)).toBeUndefined()
})

test('OTLP is beside the query API unless told', () => {
  expect(otlpOf('http://jaeger:16686/', {})).toBe('http://jaeger:4318')
  expect(otlpOf('http://jaeger:16686', { RONDO_TEST_JAEGER_OTLP_URL: 'http://collector:4318' })).toBe('http://collector:4318')
})
