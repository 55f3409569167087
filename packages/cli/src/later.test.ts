import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApi } from './api.ts'
import { CliError } from './exit.ts'
import { againLater } from './later.ts'

const refused = (code: string, retry_after_s?: number) =>
  new CliError('failed', code, { code, ...(retry_after_s === undefined ? {} : { retry_after_s }) })

/** Fails with these, then is done; the pauses that were made. */
async function paused(...errors: CliError[]) {
  const pauses: number[] = []
  const left = [...errors]
  const work = async () => {
    const error = left.shift()
    if (error) throw error
    return 'done'
  }
  const outcome = await againLater(work, undefined, async (ms) => pauses.push(ms)).catch((error: CliError) => error.details.code)
  return { outcome, pauses }
}

test('what was refused for now is tried again, later and later, and not before the server said', async () => {
  const { outcome, pauses } = await paused(refused('overloaded'), refused('overloaded'), refused('rate_limited', 3), refused('overloaded'))
  expect(outcome).toBe('done')
  const bounds = [250, 500, 3000, 2000] as const
  expect(pauses).toHaveLength(4)
  for (const [index, least] of bounds.entries()) {
    expect(pauses[index]).toBeGreaterThanOrEqual(least)
    expect(pauses[index]).toBeLessThanOrEqual(least * 1.25)
  }
})

test('not for ever, and not what may have been done', async () => {
  const { outcome, pauses } = await paused(...Array.from({ length: 20 }, () => refused('overloaded')))
  expect(outcome).toBe('overloaded')
  expect(pauses).toHaveLength(5)
  expect(await paused(refused('unavailable', 1))).toEqual({ outcome: 'unavailable', pauses: [] })
})

const asked: string[] = []
const server = createServer((request, response) => {
  asked.push(request.url ?? '')
  if (asked.length > 1) return response.setHeader('content-type', 'application/json').end('{"answer": 42}')
  response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '0' })
  return response.end(JSON.stringify({ code: 'overloaded', detail: 'not now' }))
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => server.close())

test('a command gets its answer from a server that was overloaded for a moment', async () => {
  const api = createApi(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => 'token')
  expect(await api.request('GET', '/v1/answer')).toEqual({ answer: 42 })
  expect(asked).toEqual(['/v1/answer', '/v1/answer'])
})
