import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const services = ['requirements', 'builds', 'releases', 'operations', 'feedback', 'gateway']
const root = fileURLToPath(new URL('../..', import.meta.url))

/** As its container starts it, with these variables and none of Rondo's else. */
async function started(service: string, variables: Record<string, string>) {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('RONDO_'))
  const child = spawn(process.execPath, ['--conditions=development', `services/${service}/src/main.ts`], {
    cwd: root,
    env: { ...Object.fromEntries(others), ...variables },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { said: said.trim(), code }
}

test.concurrent.each(services)('%s says in one sentence what is missing or wrong in its variables', async (service) => {
  const missing = await started(service, {})
  expect(missing).toEqual({
    said: expect.stringMatching(/^the services need a bus: set RONDO_KAFKA_BROKERS, or RONDO_DATABASE_URL.*$/),
    code: 1,
  })
  const wrong = await started(service, { RONDO_HTTP_PORT: '99999' })
  expect(wrong).toEqual({
    said: expect.stringMatching(/^the environment is not as it should be:\n +RONDO_HTTP_PORT is "99999": expected a port.*$/),
    code: 1,
  })
})
