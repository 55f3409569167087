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
  const ledger = await openLedger({ service: 'testing', streams: [order], database: url, connections: 1 })
  const c = new pg.Client({ connectionString: url }); await c.connect()
  await c.query(`set enable_seqscan=off; set plan_cache_mode=force_generic_plan; prepare p(text[], text[], text[]) as select (select json_agg(json_build_object('v', s.version, 'state', s.state))
        from unnest($1, $2) as wanted(stream, id) join stream s on (s.stream, s.id) = (wanted.stream, wanted.id)), (select json_agg(m.outcome) from message m where m.id = any($3)); `)
  const show = async (label: string) => {
  const ids = Array.from({ length: 500 }, (_, n) => `s-${n}`)
  const lit = (a: string[]) => `'{${a.join(',')}}'`
  const r = await c.query(`explain (analyze, buffers) execute p(${lit(ids.map(() => 'order'))}, ${lit(ids)}, ${lit(ids.map((x) => 'm' + x))})`)
  console.log(label, r.rows.map((x: any) => x['QUERY PLAN']).join('\n')) }
  await show('EMPTY')
  let n = 0
  for (let k = 0; k < 6; k++) await Promise.all(Array.from({ length: 500 }, () => { n++; return ledger.submit({ id: `m-${n}`, hash: 'h', remember: true, messages: [tell(order, `s-${n % 500}`, 'count', 1)], cause: { actor: 'person:a', correlationId: 'c', causationId: 'c' } }) }))
  await show('FULL, plan from empty')
  await c.end()
  await ledger.close()
} finally { await engine.stop(); removeRunFolder(folder) }
