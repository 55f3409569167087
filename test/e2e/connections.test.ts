import { freshDatabase, needs } from '@rondo/testkit'
import pg from 'pg'
import { expect, test } from 'vitest'
import { startRondo } from '../rig/rondo.ts'

needs('postgres18')

test('a start asks for all of its partitions at once, and not on a connection for each', async () => {
  const database = await freshDatabase()
  await (await startRondo({ database })).stop()
  // Not counted: a first start makes all tables
  const rondo = await startRondo({ database })
  const client = new pg.Client(database)
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string; connections: number }>(
      `select application_name as name, count(*)::int as connections from pg_stat_activity
       where datname = current_database() and application_name ~ '^rondo [a-z]+$' group by 1 having count(*) > 3`,
    )
    expect(rows).toEqual([])
  } finally {
    await client.end()
    await rondo.stop()
  }
})
