import { type Bus, type Clock, realClock } from '@rondo/bus'
import { toRecord } from '@rondo/contracts/cloudevents'
import { facts, stream, tell } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from './config.ts'
import { type RunningConsumer, startConsumer } from './consumer.ts'
import { openBus, openServiceLedger } from './engines.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'
import { reactionTable } from './reaction-table.ts'
import type { Service } from './service.ts'
import { tracerOf } from './telemetry.ts'

const foreign = facts('rondo.builds.change', { recorded: z.object({}) })
const fact = facts('rondo.tally.box', { put: z.object({ change: z.string() }) })
const box = stream('box', fact, { changes: [] as string[] })({
  fold: 1,
  asks: {},
  tells: { put: (_, { change }: { change: string }) => [fact.put({ change })] },
  evolve: { put: ({ changes }, { change }) => ({ changes: [...changes, change] }) },
  keys: {},
})
const service: Service = {
  name: 'tally',
  streams: [box],
  reactions: [when(foreign.recorded, ({ streamId }) => [tell(box, 'all', 'put', { change: streamId })])],
  rpc: {},
}

needs('postgres18')
const log = createLog('error')
let bus: Bus
let ledger: OpenLedger
let consumer: RunningConsumer | undefined
afterEach(async () => {
  await consumer?.stop()
  await bus?.close()
  await ledger?.close()
})

function record(position: number, epoch = 1) {
  const at = '2026-11-25T09:00:00.000000Z'
  const cause = { actor: 'person:ada', correlationId: 'c', causationId: 'c', loopIds: [], occurredAt: at, recordedAt: at }
  const id = `00000000-0000-5000-8000-${String(position).padStart(12, '0')}`
  const place = { stream: 'change', streamId: String(position), version: 1, position, partition: 0 }
  const event = { id, ...place, type: foreign.recorded.base, schemaVersion: 1, data: {}, ...cause }
  return toRecord(event, { previous: position - 1, epoch })
}
const read = (expected: string) =>
  eventually(async () => (await ledger.read.load(box, 'all')).changes.join(' ') === expected, { within: 10_000 })

/** A hundred times as fast: looks that are made from time to time need not be waited for. */
const hasty: Clock = { ...realClock, aside: (ms, run) => realClock.aside(ms / 100, run) }

test.each([
  ['before those of a new epoch', realClock, [record(4, 2)], '1 2 3 2 3 4'],
  ['although nothing new comes', hasty, [], '1 2 3 2 3'],
] as const)('facts that the database knows no more, having gone back under a reader, are read again %s', async (_, clock, more, all) => {
  const settings = readConfig({ RONDO_DATABASE_URL: await freshDatabase(), RONDO_PARTITIONS: '1' })
  bus = await openBus([service], settings, log)
  ledger = await openServiceLedger(service, settings, log)
  await bus.send('rondo.builds.v1', [record(1), record(2), record(3)])
  const spanning = { tracer: tracerOf('tally'), service: 'tally', group: 'rondo.tally', system: 'postgresql', publicUrl: '' }
  const metrics = createMetrics()
  consumer = await startConsumer({ service, table: reactionTable(service), ledger, bus, log, metrics, spanning, clock })
  await read('1 2 3')
  await ledger.sql('update checkpoint set (position, next_offset) = (1, 1)')
  await bus.send('rondo.builds.v1', more)
  await read(all)
  expect(consumer.paused).toEqual([])
})
