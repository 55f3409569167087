import { createRunFolder, removeRunFolder } from '../../testkit/src/run-folder.ts'
import { launchPostgres } from '../../testkit/src/local/postgres.ts'
import { tell } from '@rondo/kernel'
import pg from 'pg'
import { migrate } from '../src/migration.ts'
import { openLedger } from '../src/ledger.ts'
import { load } from '../src/load.ts'
import { order } from './order-stream.ts'
const folder = await createRunFolder()
const engine = await launchPostgres(folder, 18)
try {
  const owner = engine.address
  await migrate(owner, { service: 'testing', role: 'rondo_testing' })
  const url = owner.replace('rondo@', 'rondo_testing@')
  const ledger = await openLedger({ service: 'testing', streams: [order], database: url, connections: 1 })
  let n = 0
  const unit = () => ({ id: `m-${n}`, hash: 'h', remember: true, messages: [tell(order, `s-${n++ % 500}`, 'count', 1)], cause: { actor: 'person:a', correlationId: 'c', causationId: 'c' } })
  const times: Record<string, number[]> = {}
  const time = async (name: string, work: () => Promise<unknown>) => { const s = performance.now(); await work(); (times[name] ??= []).push(performance.now() - s) }
  const pool = ledger.database.pool
  const orig = pool.query.bind(pool) as any
  ;(pool as any).query = async (...a: any[]) => { const text = typeof a[0] === 'string' ? a[0] : a[0].text; const s = performance.now(); const r = await orig(...a); (times[text.includes('append') ? 'append' : text.includes('load_batch') ? 'load' : 'other'] ??= []).push(performance.now() - s); return r }
  for (let i = 0; i < 1500; i++) {
    await time('submit', () => ledger.submit(unit()))
    await time('select1', () => pool.query('select 1'))
  }
  await Promise.all(Array.from({length: 500}, () => ledger.submit(unit())))
  times.submit500 = []; times.append = times.append!
  for (let i = 0; i < 20; i++) { const before = times.append!.length; await time('submit500', () => Promise.all(Array.from({ length: 500 }, () => ledger.submit(unit())))); (times.append500 ??= []).push(times.append!.at(-1)!); (times.load500 ??= []).push(times.load!.at(-1)!) ; void before}
  for (const [name, all] of Object.entries(times)) { const sorted = all.slice(Math.min(200, all.length >> 1)).sort((a, b) => a - b); console.log(name, 'p10', sorted[sorted.length / 10 | 0]!.toFixed(3), 'p50', sorted[sorted.length >> 1]!.toFixed(3)) }
  await ledger.close()
} finally { await engine.stop(); removeRunFolder(folder) }
