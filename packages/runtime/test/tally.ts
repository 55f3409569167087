import { type Bus, realClock } from '@rondo/bus'
import { type CloudEventRecord, toRecord } from '@rondo/contracts/cloudevents'
import { type Envelope, facts, stream, tell, versions } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import { afterEach, beforeEach } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../src/config.ts'
import { type RunningConsumer, startConsumer } from '../src/consumer.ts'
import { openBus, openServiceLedger } from '../src/engines.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { reactionTable } from '../src/reaction-table.ts'
import type { Service } from '../src/service.ts'
import { tracerOf } from '../src/telemetry.ts'

// A service that puts what it hears into boxes, on a bus and a ledger of its own for each test of the file that imports it.

const v1 = z.object({ to: z.array(z.string()), text: z.string() })
export const outside = facts('rondo.intake.alert', { observed: v1 })
export const unwanted = facts('rondo.intake.issue', { seen: v1 })
export const foreign = facts('rondo.builds.change', { recorded: v1, ignored: z.object({}) })
export const newer = facts('rondo.builds.change', {
  recorded: versions(v1, [v1.extend({ more: z.string() }), (old) => ({ ...old, more: '' })]),
})

const fact = facts('rondo.tally.box', { put: z.object({ text: z.string() }) })
export const box = stream('box', fact, { texts: [] as string[] })({
  fold: 1,
  asks: {},
  tells: { put: (_, { text }: { text: string }) => [fact.put({ text })] },
  evolve: { put: ({ texts }, { text }) => ({ texts: [...texts, text] }) },
  keys: {},
})
export const puts = ({ to, text }: z.infer<typeof v1>) => to.map((id) => tell(box, id, 'put', { text }))
export const service: Service = {
  name: 'tally',
  streams: [box],
  reactions: [when(outside.observed, ({ data }) => puts(data)), when(foreign.recorded, ({ data }) => puts(data))],
  rpc: {},
  onConflict: ({ id }) => [tell(box, 'conflicts', 'put', { text: id })],
}

const { met } = needs('postgres18')
const config = async () => readConfig({ RONDO_DATABASE_URL: await freshDatabase(), RONDO_PARTITIONS: '1' })
const log = createLog('silent')
export const topic = 'rondo.builds.v1'
export let bus: Bus
export let ledger: OpenLedger
export let consumer: RunningConsumer | undefined

export const consume = async (
  changed: Partial<Service> = {},
  into = ledger,
  onRead: (count: number) => void = () => undefined,
  clock = realClock,
) => {
  const told: Bus = {
    ...bus,
    consume: (options) => bus.consume({ ...options, handle: (...of) => options.handle(...of).then(() => onRead([...of[0]].length)) }),
  }
  const one = { ...service, ...changed }
  const spanning = { tracer: tracerOf('tally'), service: 'tally', group: 'rondo.tally', system: 'postgresql', publicUrl: '' }
  const parts = { ledger: into, bus: told, log, metrics: createMetrics(), spanning, clock }
  consumer = await startConsumer({ service: one, table: reactionTable(one), ...parts })
}
beforeEach(async () => {
  if (!met) return
  const settings = await config()
  bus = await openBus([service], settings, log)
  ledger = await openServiceLedger(service, settings, log)
})
afterEach(async () => {
  await consumer?.stop()
  consumer = undefined
  await bus?.close()
  await ledger?.close()
})

export const event = (position: number, data: object, changed: Partial<Envelope> = {}): Envelope => ({
  id: `00000000-0000-5000-8000-${String(position).padStart(12, '0')}`,
  stream: 'change',
  streamId: `c-${position}`,
  version: 1,
  position,
  partition: 0,
  type: foreign.recorded.base,
  schemaVersion: 1,
  data,
  occurredAt: '2026-11-25T09:00:00.000000Z',
  recordedAt: '2026-11-25T09:00:01.000000Z',
  actor: 'person:ada',
  correlationId: 'c',
  causationId: 'c',
  loopIds: [],
  ...changed,
})
export const put = (position: number, text = String(position), changed: Partial<Envelope> = {}) =>
  event(position, { to: ['a'], text }, changed)
export const record = (one: Envelope, previous = one.position - 1, epoch = 1) => toRecord(one, { previous, epoch })
export const send = (...records: readonly CloudEventRecord[]) => bus.send(topic, records)
export const texts = async (id = 'a') => (await ledger.read.load(box, id)).texts
export const seen = (expected: readonly string[], id = 'a') =>
  eventually(async () => JSON.stringify(await texts(id)) === JSON.stringify(expected), { within: 10_000 })
export const standsStill = (reason: RegExp) => eventually(() => consumer?.paused.find((one) => reason.test(one.reason)), { within: 10_000 })
