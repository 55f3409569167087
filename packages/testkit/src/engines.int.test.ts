import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { type EngineName, engine, eventually, freshDatabase, needs, ownEngine } from './index.ts'
import { kafkaAnswers } from './local/kafka.ts'
import { askRedis } from './local/redis.ts'

async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe.each([15, 18] as const)('PostgreSQL %i', (major) => {
  needs(`postgres${major}`)

  test('is of that version, and databases are apart', async () => {
    const [one, other] = [await freshDatabase({ major }), await freshDatabase({ major })]
    await query(one, 'create table only_here ()')
    expect(Number(engine(`postgres${major}`).version.split('.')[0])).toBeGreaterThanOrEqual(major)
    expect(await query(other, `select from pg_tables where tablename = 'only_here'`)).toEqual([])
  })

  test('a template is prepared once and cloned', async () => {
    let prepared = 0
    const template = {
      name: 'kit',
      prepare: async (url: string) => {
        prepared += 1
        await query(url, 'create table made as select 7 as n')
      },
    }
    const urls = await Promise.all([1, 2, 3].map(() => freshDatabase({ major, template })))
    expect(await Promise.all(urls.map((url) => query(url, 'select n from made')))).toEqual([[{ n: 7 }], [{ n: 7 }], [{ n: 7 }]])
    expect(prepared).toBe(1)
  })
})

describe('Kafka and Redis', () => {
  needs('kafka', 'redis')

  test('answer', async () => {
    await kafkaAnswers(engine('kafka').address)
    expect(await askRedis(engine('redis').address, 'PING')).toContain('+PONG')
  })
})

describe('an engine of its own', () => {
  needs('redis', 'postgres18')

  test('can be stopped, frozen and started again', async () => {
    const redis = await ownEngine('redis')
    await redis.stop()
    await expect(askRedis(redis.address, 'PING')).rejects.toThrow('ECONNREFUSED')
    await redis.start()
    redis.freeze()
    await expect(askRedis(redis.address, 'PING')).rejects.toThrow('no answer')
    redis.thaw()
    expect(await eventually(() => askRedis(redis.address, 'PING'), { within: 5000 })).toContain('+PONG')
    await redis.kill()
  })

  test('keeps its data when it is killed', async () => {
    const postgres = await ownEngine('postgres18')
    await query(postgres.address, 'create table kept as select 1 as n')
    await postgres.kill()
    await postgres.start()
    expect(await query(postgres.address, 'select n from kept')).toEqual([{ n: 1 }])
    await postgres.stop()
  })
})

describe('what cannot be had', () => {
  needs({ also: undefined }, ...([] as EngineName[]))
  test('is skipped with its reason only then', () => expect(true).toBe(true))
})
