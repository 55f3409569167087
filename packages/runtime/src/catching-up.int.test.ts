import type { Bus } from '@rondo/bus'
import { type CloudEventRecord, toIntakeRecord, toRecord } from '@rondo/contracts/cloudevents'
import { facts, stream, tell } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { type Controlled, eventually, freshDatabase, needs, ownEngine } from '@rondo/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from './config.ts'
import { type RunningConsumer, startConsumer } from './consumer.ts'
import { openBus, openServiceLedger } from './engines.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'
import { reactionTable } from './reaction-table.ts'
import type { Service } from './service.ts'
import { tracerOf } from './telemetry.ts'

/** Messages that a group is behind when it begins; the whole sequence is with a million: RONDO_TEST_LAG=1000000. */
const lag = Number(process.env.RONDO_TEST_LAG ?? 20_000)
const partitions = 4
/** MB above where it began, however far behind it is. */
const mostMemory = 250

const foreign = facts('rondo.meters.meter', { read: z.object({ value: z.number() }) })
const outside = facts('rondo.intake.alert', { observed: z.object({ value: z.number() }) })
const sumFact = facts('rondo.sums.sum', { added: z.object({ value: z.number() }) })
/** An event that is applied twice counts twice, and one out of its order is noticed. */
const sum = stream('sum', sumFact, { count: 0, last: -1, ordered: true })({
  fold: 1,
  asks: {},
  tells: { add: (_, { value }: { value: number }) => [sumFact.added({ value })] },
  evolve: { added: ({ count, last, ordered }, { value }) => ({ count: count + 1, last: value, ordered: ordered && value > last }) },
  keys: {},
})
const service: Service = {
  name: 'sums',
  streams: [sum],
  reactions: [
    when(foreign.read, ({ streamId, data }) => [tell(sum, streamId, 'add', data)]),
    when(outside.observed, ({ data }) => [tell(sum, 'new work', 'add', data)]),
  ],
  rpc: {},
}
const topic = 'rondo.meters.v1'
const meters = 40

/** Readings of the meters in turn, as their ledger's relay sends them. */
function source() {
  let position = 0
  const tails = Array.from({ length: partitions }, () => 0)
  const id = (n: number) => `00000000-0000-5000-8000-${String(n).padStart(12, '0')}`
  return (): CloudEventRecord => {
    position += 1
    const meter = position % meters
    const partition = meter % partitions
    const previous = tails[partition] ?? 0
    tails[partition] = position
    const at = '2026-11-25T09:00:00.000000Z'
    const event = { id: id(position), stream: 'meter', streamId: `m-${meter}`, version: Math.ceil(position / meters), position, partition }
    const cause = { actor: 'service:meters', correlationId: 'c', causationId: 'c', loopIds: [], occurredAt: at, recordedAt: at }
    return toRecord({ ...event, type: foreign.read.base, schemaVersion: 1, data: { value: position }, ...cause }, { previous, epoch: 1 })
  }
}
const observed = (value: number) => {
  const id = `00000000-0000-5000-9000-${String(value).padStart(12, '0')}`
  const cause = { actor: 'person:ada', correlationId: id, causationId: id, loopIds: [], occurredAt: '2026-11-25T09:00:00.000000Z' }
  return toIntakeRecord({ id, key: id, type: outside.observed.base, schemaVersion: 1, data: { value }, ...cause })
}

describe.each(['Kafka', 'the bus in PostgreSQL'])('a consumer group far behind, on %s', (name) => {
  needs('postgres18', ...(name === 'Kafka' ? (['kafka'] as const) : []))
  /** Of its own: what is sent here is no intake of Rondo's, which others read. */
  let kafka: Controlled | undefined
  const log = createLog('error')
  let bus: Bus
  let ledger: OpenLedger
  let consumer: RunningConsumer | undefined
  afterEach(async () => {
    await consumer?.stop()
    await bus?.close()
    await ledger?.close()
    await kafka?.stop()
  })

  const state = (id: string) => ledger.read.load(sum, id)
  const memory = () => process.memoryUsage().rss / 2 ** 20

  test(
    `a lag of many messages is caught up while new work arrives: in order, nothing twice, new work between`,
    async () => {
      if (name === 'Kafka') kafka = await ownEngine('kafka')
      const config = readConfig({
        RONDO_DATABASE_URL: await freshDatabase(),
        RONDO_PARTITIONS: String(partitions),
        ...(kafka && { RONDO_KAFKA_BROKERS: kafka.address }),
      })
      bus = await openBus([service], config, log)
      await bus.ensure([{ name: topic, partitions }])
      ledger = await openServiceLedger(service, config, log)
      const next = source()
      for (let sent = 0; sent < lag; sent += 2000) await bus.send(topic, Array.from({ length: Math.min(2000, lag - sent) }, next))
      const before = memory()
      const spanning = { tracer: tracerOf('sums'), service: 'sums', group: 'rondo.sums', system: 'test', publicUrl: '' }
      consumer = await startConsumer({ service, table: reactionTable(service), ledger, bus, log, metrics: createMetrics(), spanning })
      await eventually(async () => (await ledger.head()).position > 0, { within: 30_000 })

      let most = before
      let whileBehind = 0
      let more = 0
      const caughtUp = async () => {
        most = Math.max(most, memory())
        if (more < 50) await Promise.all([bus.send('rondo.intake.v1', [observed(more)]), bus.send(topic, [next()])])
        more += 1
        const { position } = await ledger.head()
        const { count } = await state('new work')
        if (position < lag) whileBehind = Math.max(whileBehind, count)
        return more >= 50 && position >= lag + 100
      }
      await eventually(caughtUp, { within: 60_000 + lag, every: 10 })

      const states = await Promise.all(Array.from({ length: meters }, (_, n) => state(`m-${n}`)))
      expect(states.reduce((all, { count }) => all + count, 0)).toBe(lag + 50)
      expect(states.every(({ ordered }) => ordered)).toBe(true)
      expect((await ledger.head()).position).toBe(lag + 100)
      expect(whileBehind, 'new work that was done while it was behind').toBeGreaterThan(0)
      expect(most - before, 'MB more').toBeLessThan(mostMemory)
    },
    120_000 + 2 * lag,
  )
})
