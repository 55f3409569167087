import { randomUUID } from 'node:crypto'
import { needs, ownEngine } from '@rondo/testkit'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { callLimit } from './rate-limit.ts'

needs('redis')

type Limit = ReturnType<typeof callLimit>

/** How many of so many calls at once are let through; the others say when to come back. */
async function passed(limit: Limit, calls: number, authorization: string): Promise<number> {
  const ended = await Promise.allSettled(Array.from({ length: calls }, async () => limit({ authorization, address: '' })))
  for (const one of ended) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'rate_limited' })
  for (const one of ended) if (one.status === 'rejected') expect(one.reason.details.retry_after_ms).toBeGreaterThan(0)
  return ended.filter(({ status }) => status === 'fulfilled').length
}

test('a caller has as many calls as are allowed, each caller its own, and by its address without a token', async () => {
  const limit = callLimit(100, undefined)
  expect(await passed(limit, 300, 'Bearer a')).toBe(100)
  expect(await passed(limit, 50, 'Bearer b')).toBe(50)
  const [one] = await Promise.allSettled([Promise.resolve(limit({ authorization: undefined, address: '192.0.2.1' }))])
  expect(one).toMatchObject({ status: 'fulfilled' })
  expect(await passed(callLimit(7, undefined), 20, 'Bearer c')).toBe(7)
})

test('when the second is over there is room again', async () => {
  const limit = callLimit(100, undefined)
  expect(await passed(limit, 300, 'Bearer a')).toBe(100)
  await expect.poll(() => passed(limit, 300, 'Bearer a'), { timeout: 5000 }).toBe(100)
})

test('replicas share it by Redis, with few round trips, and each counts for itself while Redis is away', async () => {
  const engine = await ownEngine('redis')
  const options = { enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => 100, lazyConnect: true }
  const clients = [new Redis(engine.address, options), new Redis(engine.address, options)] as const
  for (const client of clients) client.on('error', () => undefined)
  try {
    await Promise.all(clients.map((client) => client.connect()))
    const [one, other] = [callLimit(1000, clients[0]), callLimit(1000, clients[1])]
    const token = `Bearer ${randomUUID()}`
    const both = await Promise.all([passed(one, 900, token), passed(other, 900, token)])
    // All of it, but for a handful that a replica had taken and did not use
    expect(both[0] + both[1]).toBeLessThanOrEqual(1000)
    expect(both[0] + both[1]).toBeGreaterThanOrEqual(900)
    const [, calls = '0'] = /cmdstat_evalsha:calls=(\d+)/.exec(await clients[0].info('commandstats')) ?? []
    expect(Number(calls)).toBeLessThanOrEqual(50)
    await engine.kill()
    await expect.poll(() => clients.every(({ status }) => status !== 'ready'), { timeout: 5000 }).toBe(true)
    const later = `Bearer ${randomUUID()}`
    expect(await Promise.all([passed(one, 1200, later), passed(other, 1200, later)])).toEqual([1000, 1000])
  } finally {
    for (const client of clients) client.disconnect()
    await engine.stop()
  }
})
