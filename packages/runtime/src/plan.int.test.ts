import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ask } from '@rondo/kernel'
import { type OpenLedger, openLedger } from '@rondo/ledger'
import { eventually, freshDatabase, needs, ownEngine, temporaryFolder } from '@rondo/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { count, thing } from '../test/services.ts'
import { ownRole } from './database-url.ts'

needs('postgres18', 'kafka')
const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const dataDir = temporaryFolder('plan')

const closing: (() => Promise<unknown>)[] = []
const children = new Set<ChildProcess>()
afterEach(async () => {
  await Promise.all([...children].map(killed))
  for (const close of closing.splice(0)) await close()
})

async function killed(child: ChildProcess): Promise<void> {
  children.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Resolves when it has begun to read. */
async function launched(env: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const own = { PATH, NODE_COMPILE_CACHE, RONDO_HTTP_PORT: '0', RONDO_GRPC_PORT: '0', RONDO_DATA_DIR: dataDir }
  const child = spawn(process.execPath, ['--conditions=development', path('../test/things-and-counts.ts')], { env: { ...own, ...env } })
  children.add(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk))
  await eventually(() => text.includes('"msg":"started"'), { within: 60_000 })
  return child
}

const ids = Array.from({ length: 40 }, (_, n) => `thing-${n}`)
let number = 0
/** One of each thing after the other, so that each one's are in a known order. */
const note = async (ledger: OpenLedger, rounds: number) => {
  for (let round = 0; round < rounds; round++) {
    number += 1
    const cause = { actor: 'person:ada', correlationId: `${number}`, causationId: `${number}` }
    const units = ids.map((id) => ({
      id: `${id}/${number}`,
      hash: '',
      remember: true,
      cause,
      messages: [ask(thing, id, 'note', { text: `${number}`, copies: 1 })],
    }))
    await Promise.all(units.map((unit) => ledger.submit(unit)))
  }
}

describe.each(['PostgreSQL', 'Kafka'] as const)('more partitions, with the bus on %s', (bus) => {
  test('partition plan 12 → 24 with order per stream kept: each fact is applied once, whoever is killed meanwhile', async () => {
    const database = await freshDatabase()
    const kafka = bus === 'Kafka' ? await ownEngine('kafka') : undefined
    if (kafka) closing.push(() => kafka.stop())
    const env = (partitions: number) => ({
      RONDO_DATABASE_URL: database,
      RONDO_PARTITIONS: String(partitions),
      ...(kafka ? { RONDO_KAFKA_BROKERS: kafka.address } : {}),
    })
    const opened = async (service: 'things' | 'counts', partitions?: number) => {
      const streams = service === 'things' ? [thing] : [count]
      const { url } = ownRole(database, service)
      const ledger = await openLedger({ service, streams, database: url, ...(partitions ? { partitions } : {}) })
      closing.unshift(() => ledger.close())
      return ledger
    }

    await killed(await launched(env(12)))
    const old = await opened('things', 12)
    await note(old, 20)
    const grown = await opened('things', 24)
    await note(old, 3)
    await note(grown, 3)
    for (let kill = 0; kill < 3; kill++) {
      const child = await launched(env(24))
      await note(grown, 1)
      await killed(child)
    }
    await Promise.all([launched(env(24)), launched(env(24))])
    await note(grown, 2)

    interface Row {
      readonly id: string
      readonly events: readonly string[]
    }
    const told = await grown.sql<Row>(
      `select stream_id as id, array_agg(id::text order by version) as events from event
       where type = 'rondo.things.thing.noted' group by 1 order by 1`,
    )
    const counts = await opened('counts')
    const applied = () =>
      counts.sql<Row>(`select stream_id as id, array_agg(data->>'event' order by version) as events from event group by 1 order by 1`)
    const wanted = told.reduce((sum, { events }) => sum + events.length, 0)
    await eventually(async () => (await applied()).reduce((sum, { events }) => sum + events.length, 0) >= wanted, { within: 150_000 })
    expect(await applied()).toEqual(told)
    expect(await counts.sql('select cardinality(tails) as count from head')).toEqual([{ count: 24 }])
  }, 300_000)
})
