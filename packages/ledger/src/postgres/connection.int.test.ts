import { eventually, needs } from '@rondo/testkit'
import type pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { freshLedger } from '../../test/fixture.ts'
import { keepingOne, servicePool } from './connection.ts'

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

describe('a connection that is kept for who comes next', () => {
  const engine = needs('postgres18')
  let url: string
  engine.beforeAll(async () => {
    url = (await freshLedger()).url
  })
  const pools: pg.Pool[] = []
  afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.end())))
  const poolOf = (max: number) => {
    const pool = servicePool(url, 'shop', max, silent)
    pools.push(pool)
    return pool
  }
  const backend = async (client: pg.PoolClient) => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid

  test('is the same, and goes back to the pool when nobody comes', async () => {
    const pool = poolOf(4)
    const onOne = keepingOne(pool)
    const first = await onOne(backend)
    expect([await onOne(backend), pool.idleCount]).toEqual([first, 0])
    await eventually(() => pool.idleCount === 1, { within: 1_000 })
    expect(await onOne(backend)).toBe(first)
  })

  test('is one: what is done at once has a connection each, and gives it back', async () => {
    const pool = poolOf(4)
    const onOne = keepingOne(pool)
    expect(new Set(await Promise.all([onOne(backend), onOne(backend), onOne(backend)])).size).toBe(3)
    expect(pool.idleCount).toBe(2)
    await eventually(() => pool.idleCount === 3, { within: 1_000 })
  })

  test('is nobody’s for ever: with a single connection others have their turn', async () => {
    const pool = poolOf(1)
    const onOne = keepingOne(pool)
    await onOne(backend)
    expect((await pool.query('select 1')).rowCount).toBe(1)
    expect(await onOne(backend)).toBeGreaterThan(0)
  })

  test('is thrown away where it ended meanwhile', async () => {
    const pool = poolOf(2)
    const other = poolOf(1)
    // Longer than it takes to end it
    const onOne = keepingOne(pool, 2_000)
    let kept: pg.PoolClient | undefined
    const ended = await onOne((client) => {
      kept = client
      return backend(client)
    })
    const gone = new Promise<void>((resolve) => kept?.once('end', resolve))
    await other.query('select pg_terminate_backend($1)', [ended])
    await gone
    expect(await onOne(backend)).not.toBe(ended)
    expect(pool.totalCount).toBe(1)
  })

  test('stays open whatever a statement was refused for', async () => {
    const pool = poolOf(2)
    const onOne = keepingOne(pool)
    const first = await onOne(backend)
    await expect(onOne((client) => client.query('select 1/0'))).rejects.toMatchObject({ code: '22012' })
    expect(await onOne(backend)).toBe(first)
  })
})
