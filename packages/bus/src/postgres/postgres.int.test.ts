import { freshDatabase, needs } from '@rondo/testkit'
import pg from 'pg'
import { type BusHarness, busConformance } from '../conformance.ts'
import { postgresBus } from './bus.ts'
import { migrateBus } from './migration.ts'
import { asRole } from './role-url.ts'

async function createHarness(major: 15 | 18): Promise<BusHarness> {
  const owner = await freshDatabase({ major })
  await migrateBus(owner)
  const client = new pg.Client({ connectionString: owner })
  await client.connect()
  const numberOf = `(select number from bus.topic where name = $1)`
  return {
    open: async () =>
      postgresBus({ url: asRole(owner, 'rondo_bus'), pace: { retryFirst: 50, retryMost: 500, watch: 100, poll: 500, heartbeat: 500 } }),
    deleteRecords: async (topic, partition, before) => {
      await client.query(`select bus.delete_before(${numberOf}, $2, $3)`, [topic, partition, String(before)])
    },
    recreate: async ({ name, partitions }) => {
      await client.query('delete from bus.topic where name = $1', [name])
      await client.query('select bus.create_topic($1, $2, -1)', [name, partitions])
    },
    limit: async (topic, bytes) => {
      await client.query('update bus.topic set max_bytes = $2 where name = $1', [topic, bytes])
    },
    disturb: async () => {
      await client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
    },
    close: () => client.end(),
  }
}

for (const major of [18, 15] as const) busConformance(`PostgreSQL ${major}`, () => createHarness(major), needs(`postgres${major}`))
