import { randomUUID } from 'node:crypto'
import { kafkaBus } from '@rondo/bus'
import { toRecord } from '@rondo/contracts/cloudevents'
import { facts, stream, tell } from '@rondo/kernel'
import { migrate, type OpenLedger, openLedger } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { createLog, createMetrics, reactionTable, type Service, startConsumer, tracerOf } from '@rondo/runtime'
import { eventually } from '@rondo/testkit/eventually'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { z } from 'zod'
import { consumedByHand } from './hand.ts'
import { roleUrl, silent } from './ledger.ts'
import { aimed, alternate, atLeast, type Figure, figureOf, median } from './measure.ts'
import type { Stage } from './stage.ts'

const partitions = 12
const perRound = 24_000
const text = 'x'.repeat(200)

const sourceFact = facts('rondo.benchsource.thing', { seen: z.object({ text: z.string() }) })
const topic = 'rondo.benchsource.v1'
const noteFact = facts('rondo.benchconsumer.note', { added: z.object({ text: z.string() }) })
const note = stream('note', noteFact, { count: 0, last: '' })({
  fold: 1,
  asks: {},
  tells: { add: (_, { text }: { text: string }) => [noteFact.added({ text })] },
  evolve: { added: ({ count }, { text }) => ({ count: count + 1, last: text }) },
  keys: {},
})
const service: Service = {
  name: 'benchconsumer',
  streams: [note],
  reactions: [when(sourceFact.seen, ({ streamId, data }) => [tell(note, streamId, 'add', data)])],
  rpc: {},
}

/** Facts of another ledger as its relay sends them: each to a stream of its own, in unbroken chains. */
function source() {
  let position = 0
  const tails = Array.from({ length: partitions }, () => 0)
  return (count: number) =>
    Array.from({ length: count }, () => {
      position++
      const partition = position % partitions
      const previous = tails[partition] ?? 0
      tails[partition] = position
      const at = '2026-11-25T09:00:00.000000Z'
      const id = randomUUID()
      const event = { id, stream: 'thing', streamId: id, version: 1, position, partition, type: sourceFact.seen.base, schemaVersion: 1 }
      const common = {
        data: { text },
        occurredAt: at,
        recordedAt: at,
        actor: 'service:bench',
        correlationId: id,
        causationId: id,
        loopIds: [],
      }
      return toRecord({ ...event, ...common }, { previous, epoch: 1 })
    })
}

/** Of the commits of one round, each with how many events were in by then: events in a second, from the first commit to the last. */
function paceOf(commits: readonly (readonly [at: number, done: number])[], sizes: number[]): number {
  const [first, last] = [commits[0], commits.at(-1)]
  if (!first || !last || first === last) throw new Error(`a round of ${commits.length} commits cannot be timed`)
  sizes.push((last[1] - first[1]) / (commits.length - 1))
  return ((last[1] - first[1]) * 1000) / (last[0] - first[0])
}

/** By the runtime's consumer. */
async function byRondo(stage: Stage, ledger: OpenLedger, sizes: number[]): Promise<number> {
  const bus = kafkaBus({ brokers: [await stage.kafka()], clientId: 'bench' })
  const begin = (await ledger.head()).position
  const commits: (readonly [number, number])[] = []
  const stop = ledger.onCommit((position) => void commits.push([performance.now(), position]))
  const spanning = { tracer: tracerOf('bench'), service: service.name, group: 'rondo.benchconsumer', system: 'kafka', publicUrl: '' }
  const log = createLog('warn')
  const consumer = await startConsumer({ service, table: reactionTable(service), ledger, bus, log, metrics: createMetrics(), spanning })
  try {
    await eventually(() => commits.at(-1)?.[1] === begin + perRound, { within: 120_000, every: 20 })
    return paceOf(commits, sizes)
  } finally {
    stop()
    await consumer.stop()
    await bus.close()
  }
}

/** By kafkajs and one statement for each fetched batch of a partition. */
async function byBare(stage: Stage, pool: pg.Pool, offsets: Map<number, string>, sizes: number[]): Promise<number> {
  const kafka = new Kafka({ brokers: [await stage.kafka()], clientId: 'bare', logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: `bare-${randomUUID()}`, maxWaitTimeInMs: 500 })
  const commits: (readonly [number, number])[] = []
  let done = 0
  let failure: unknown
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: partitions,
    async eachBatch({ batch: { partition, messages } }) {
      const fresh = messages.filter(({ offset }) => BigInt(offset) >= BigInt(offsets.get(partition) ?? 0))
      for (let from = 0; from < fresh.length; from += 500) {
        const part = fresh.slice(from, from + 500)
        const next = String(BigInt(part.at(-1)?.offset ?? 0) + 1n)
        await consumedByHand(pool, `${topic}@bare`, partition, next, part).catch((error: unknown) => {
          failure = error
          throw error
        })
        offsets.set(partition, next)
        done += part.length
        commits.push([performance.now(), done])
      }
    },
  })
  for (const [partition, offset] of offsets) consumer.seek({ topic, partition, offset })
  try {
    await eventually(() => done === perRound || failure, { within: 120_000, every: 20 })
    if (failure) throw failure
    return paceOf(commits, sizes)
  } finally {
    await consumer.disconnect()
  }
}

/** Facts in a second from Kafka into a ledger, what is decided and the checkpoint in one transaction. */
export async function consumeFigures(stage: Stage, rounds: number, goOn?: () => boolean): Promise<readonly Figure[]> {
  const url = await stage.postgres()
  const bus = kafkaBus({ brokers: [await stage.kafka()], clientId: 'bench' })
  await bus.ensure([{ name: topic, partitions }])
  for (const name of [service.name, 'barecontrol'])
    await migrate(url, { service: name, role: `rondo_${name}`, password: name, log: silent })
  const ledger = await openLedger({ service: service.name, streams: [note], database: roleUrl(url, service.name), partitions, log: silent })
  const pool = new pg.Pool({ connectionString: roleUrl(url, 'barecontrol'), max: 10, options: '-c search_path=barecontrol' })
  const more = source()
  const offsets = new Map<number, string>()
  const sizes = { rondo: [] as number[], bare: [] as number[] }
  const produced = async () => {
    const records = more(perRound)
    for (let from = 0; from < perRound; from += 3000) await bus.send(topic, records.slice(from, from + 3000))
  }
  try {
    const measured = await alternate(
      rounds,
      [
        {
          name: 'rondo',
          run: async () => {
            await produced()
            return byRondo(stage, ledger, sizes.rondo)
          },
        },
        { name: 'bare', run: () => byBare(stage, pool, offsets, sizes.bare) },
      ],
      goOn,
    )
    const control = { name: 'bare kafkajs and the hand-written statement', values: measured.get('bare') ?? [] }
    const name = `Kafka consume → decide → commit, ${partitions} partitions`
    const note = `${Math.round(median(sizes.rondo))} events in a commit, the control ${Math.round(median(sizes.bare))}`
    return [aimed(figureOf(name, 'events/s', measured.get('rondo') ?? [], control, note), atLeast(0.7))]
  } finally {
    await ledger.close()
    await pool.end()
    await bus.close()
  }
}
