import { expect, test } from 'vitest'
import { containersMissing } from './container.ts'
import { describeEngines, fromEnvironment } from './find.ts'
import { freePorts } from './port.ts'

test('an address of the environment that does not answer is named, not passed over', async () => {
  const [port] = await freePorts(1)
  const found = await fromEnvironment('redis', { RONDO_REDIS_URL: `redis://127.0.0.1:${port}` }, 300)
  expect(found).toMatchObject({ missing: expect.stringMatching(/^RONDO_REDIS_URL is set, but .* \(.*ECONNREFUSED/) })
}, 10_000)

test('without a variable the next way is tried', async () => {
  expect(await fromEnvironment('kafka', { RONDO_KAFKA_BROKERS: '' })).toBeUndefined()
})

test('a container engine that is not there is told', async () => {
  expect(await containersMissing('unix:///nowhere/docker.sock')).toMatch(
    /no container engine at unix:\/\/\/nowhere\/docker\.sock \(.*ENOENT/,
  )
})

test('what was found is one line each', () => {
  const engine = { address: 'a', version: '1', from: 'process 7' }
  const missing = { missing: 'no java', howToGet: 'install it' }
  expect(describeEngines({ kafka: missing, postgres15: engine, postgres18: engine, redis: engine }).split('\n').slice(0, 2)).toEqual([
    'kafka missing: no java; install it',
    'postgres15 1 (process 7)',
  ])
})
