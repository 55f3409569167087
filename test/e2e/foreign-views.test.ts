import { eventually, freshDatabase, needs, ownEngine } from '@rondo/testkit'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { command } from '../cli/command.ts'
import { type Rondo, startRondo } from '../rig/rondo.ts'

/* Views of what other services have told are made again from their topics, and compared; here those of feedback. */

needs('postgres18', 'kafka')
let rondo: Rondo | undefined
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await rondo?.stop()
  rondo = undefined
  for (const close of closing.splice(0)) await close()
})

const rebuilt = async (of: Rondo, ...options: readonly string[]) => {
  const { exit, out, err } = await command(of, ['rebuild', 'feedback', '--json', ...options])
  return { exit, answer: out ? JSON.parse(out) : undefined, err }
}
const put = (of: Rondo, service: string, repositories: readonly string[]) =>
  of.rpc('rondo.operations.v1.Operations/PutService', { service, owner: 'team', artifacts: [], repositories, alert_labels: {} })

async function started(bus: 'Kafka' | 'PostgreSQL') {
  const database = await freshDatabase()
  const kafka = bus === 'Kafka' ? await ownEngine('kafka') : undefined
  if (kafka) closing.push(() => kafka.stop())
  rondo = await startRondo({ database, env: kafka ? { RONDO_KAFKA_BROKERS: kafka.address } : {} })
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  closing.unshift(() => client.end())
  return { rondo, client }
}

describe.each(['PostgreSQL', 'Kafka'] as const)('a view of foreign facts, with the bus on %s', (bus) => {
  test('is equal when made again; what was changed behind its back is found and put right; what is lost is named', async () => {
    const { rondo, client } = await started(bus)
    for (const service of ['shop', 'cart', 'till']) await put(rondo, service, [`example/${service}`, `example/${service}-web`])
    await put(rondo, 'cart', ['example/cart'])
    const stored = async () => (await client.query('select count(*)::int as count from feedback.repository_service')).rows[0].count
    await eventually(async () => (await stored()) === 5, { within: 60_000 })

    expect(await rebuilt(rondo, '--check')).toMatchObject({ exit: 0, answer: { differing: [], looked: 5 } })
    await client.query(`update feedback.repository_service set service = 'nobody' where repository = 'example/shop'`)
    await client.query(`delete from feedback.repository_service where repository = 'example/till'`)
    expect(await rebuilt(rondo, '--check')).toMatchObject({
      exit: 1,
      answer: { differing: [{ part: 'view repository_service', what: '3 rows' }] },
    })
    expect(await rebuilt(rondo)).toMatchObject({ exit: 0, answer: { repaired: 1 } })
    expect(await rebuilt(rondo, '--check')).toMatchObject({ exit: 0, answer: { differing: [] } })
    expect((await client.query(`select service from feedback.repository_service where repository = 'example/shop'`)).rows).toEqual([
      { service: 'shop' },
    ])

    if (bus === 'Kafka') return
    const topic = `(select number from bus.topic where name = 'rondo.operations.v1')`
    await client.query(`delete from bus.record where topic = ${topic}`)
    await client.query(`update bus.partition set first = next where topic = ${topic}`)
    const { err } = await command(rondo, ['rebuild', 'feedback', '--check'])
    expect(err).toMatch(/view repository_service: passed over, rondo.operations.v1\/\d does not hold .* "rondo replay operations --from 1"/)
    await command(rondo, ['replay', 'operations', '--from', '1'])
    expect(await rebuilt(rondo, '--check')).toMatchObject({ exit: 0, answer: { differing: [], looked: 5 } })
  }, 200_000)
})
