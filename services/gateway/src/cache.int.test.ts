import { randomUUID } from 'node:crypto'
import { eventually, needs, ownEngine } from '@rondo/testkit'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { cached } from './cache.ts'

needs('redis')

test('what one replica made serves the others for its time, and is made by each while Redis is away', async () => {
  const engine = await ownEngine('redis')
  const options = { enableOfflineQueue: false, maxRetriesPerRequest: 0, retryStrategy: () => 100, lazyConnect: true }
  const replicas = [new Redis(engine.address, options), new Redis(engine.address, options)] as const
  const errors: Error[] = []
  for (const replica of replicas) replica.on('error', (error) => errors.push(error))
  const key = randomUUID()
  let made = 0
  const make = async () => `made ${++made}`
  try {
    await Promise.all(replicas.map((replica) => replica.connect()))
    expect(await cached(replicas[0], key, 60_000, make)).toBe('made 1')
    expect(await cached(replicas[1], key, 60_000, make)).toBe('made 1')
    await replicas[0].pexpire(key, 1)
    await eventually(async () => (await replicas[0].exists(key)) === 0, { within: 2_000 })
    expect(await cached(replicas[1], key, 60_000, make)).toBe('made 2')
    await expect(cached(replicas[1], `${key}/failing`, 60_000, () => Promise.reject(new Error('cannot be made')))).rejects.toThrow('cannot')
    expect(await replicas[1].exists(`${key}/failing`)).toBe(0)

    await engine.kill()
    await eventually(() => replicas.every(({ status }) => status !== 'ready'), { within: 5_000 })
    expect(await cached(replicas[0], key, 60_000, make)).toBe('made 3')
    expect(await cached(replicas[1], key, 60_000, make)).toBe('made 4')
    expect(errors.every(({ message }) => /ECONN|closed/i.test(message))).toBe(true)
  } finally {
    for (const replica of replicas) replica.disconnect()
    await engine.stop()
  }
})

test('without Redis it is made each time', async () => {
  let made = 0
  const make = async () => `made ${++made}`
  expect([await cached(undefined, 'key', 60_000, make), await cached(undefined, 'key', 60_000, make)]).toEqual(['made 1', 'made 2'])
})
