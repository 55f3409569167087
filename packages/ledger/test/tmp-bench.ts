import { createRunFolder, removeRunFolder } from '../../testkit/src/run-folder.ts'
import { launchPostgres } from '../../testkit/src/local/postgres.ts'
import { tell } from '@rondo/kernel'
import pg from 'pg'
import { migrate } from '../src/migration.ts'
import { openLedger } from '../src/ledger.ts'
import { order } from './order-stream.ts'
const folder = await createRunFolder()
const engine = await launchPostgres(folder, 18)
try {
  const owner = engine.address
  await migrate(owner, { service: 'testing', role: 'rondo_testing' })
  const url = owner.replace('rondo@', 'rondo_testing@')
  const ledger = await openLedger({ service: 'testing', streams: [order], database: url })
  let n = 0
  const submit = () => ledger.submit({ id: `m-${n}`, hash: 'h', remember: true, messages: [tell(order, `s-${n++ % 5000}`, 'count', 1)], cause: { actor: 'person:a', correlationId: 'c', causationId: 'c' } })
  const run = async (callers: number, ms: number, work: () => Promise<unknown>) => {
    const end = performance.now() + ms; let done = 0
    const start = performance.now()
    await Promise.all(Array.from({ length: callers }, async () => { while (performance.now() < end) { await work(); done++ } }))
    return Math.round(done / ((performance.now() - start) / 1000))
  }
  await run(64, 1500, submit)
  const cpu = process.cpuUsage()
  console.log('ledger 1:', await run(1, 3000, submit))
  console.log('ledger 256:', await run(256, 4000, submit))
  console.log('cpu', process.cpuUsage(cpu))
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  let p = 1e9
  const control = async () => {
    const k = p++
    await pool.query(`with h as (update head set position = position returning position),
      s as (insert into stream values ('order', $1, 1, 0, 1, '{"count":1}', 'open', 'x', 'x') on conflict (stream,id) do update set version = stream.version + 1, state='{"count":1}'),
      m as (insert into message values ($2, 'h', 'x', 'x', 0, 0, '{}'))
      insert into event values ($3, gen_random_uuid(), 'order', $1, 1, 0, 0, 't', 1, '{"by":1}', 'x', 'x', 'a', 'c', 'c', null, '{}')`, [`c-${k % 5000}`, `c-${k}`, k])
  }
  console.log('control 1:', await run(1, 3000, control))
  const pool2 = new pg.Pool({ connectionString: url, max: 32 })
  const bare = async () => {
    const from = (p += 500)
    await pool.query(`insert into event select n, gen_random_uuid(), 'order', 'x', 1, 0, 0, 't', 1, '{"by":1}', 'x', 'x', 'a', 'c', 'c', null, '{}' from unnest($1::bigint[]) n`, [Array.from({ length: 500 }, (_, i) => from + i)])
  }
  console.log('bare unnest 500 ev/s:', 500 * await run(1, 3000, bare))
  await pool2.end(); await pool.end(); await ledger.close()
} finally { await engine.stop(); removeRunFolder(folder) }
