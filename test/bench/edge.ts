import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Bus, kafkaBus } from '@rondo/bus'
import { convolved, type Figure, percentile } from './measure.ts'
import type { Process } from './process.ts'

const log = () => undefined
/** Milliseconds between two alerts: far below what saturates. */
const paceMs = 150
/** The way of an alert: onto the intake's topic, then each time a commit and another topic. */
const way = { hops: 3, commits: 2 }

/** When each record with the wanted mark was read. */
async function readings(
  bus: Bus,
  topic: string,
  markOf: (value: string) => string | undefined,
): Promise<{ at: ReadonlyMap<string, number>; stop: () => Promise<void> }> {
  const at = new Map<string, number>()
  const bounds = await bus.bounds(topic)
  const consumer = await bus.consume({
    group: `bench-${randomUUID()}`,
    topics: [topic],
    start: async (_, partition) => bounds.find((one) => one.partition === partition)?.next ?? 'first',
    async handle(batch) {
      for (const { value } of batch) {
        const mark = markOf(Buffer.from(value ?? []).toString())
        if (mark !== undefined && !at.has(mark)) at.set(mark, performance.now())
      }
    },
    onError: (error) => process.stderr.write(`reading ${topic}: ${error.message}\n`),
  })
  return { at, stop: () => consumer.stop() }
}

async function spans(count: number, at: ReadonlyMap<string, number>, send: (mark: string) => Promise<void>): Promise<number[]> {
  const sent = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const mark = `bench${index}x${randomUUID().slice(0, 8)}`
    sent.set(mark, performance.now())
    await send(mark)
    await pause(paceMs)
  }
  const end = performance.now() + 20_000
  while ([...sent.keys()].some((mark) => !at.has(mark)) && performance.now() < end) await pause(20)
  return [...sent].flatMap(([mark, begin]) => {
    const read = at.get(mark)
    return read === undefined ? [] : [read - begin]
  })
}

/** Milliseconds of each commit by hand. */
async function commits(count: number, commit: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const begin = performance.now()
    await commit()
    times.push(performance.now() - begin)
    await pause(paceMs / 10)
  }
  return times
}

export interface Edge {
  readonly rondo: Pick<Process, 'http'>
  readonly brokers: string
  readonly token: string
  /** The same row writes by hand, of one message. */
  readonly commit: () => Promise<unknown>
}

/** An alert at the HTTP edge until the requirement's event can be read on Kafka, beside what the engines take for the same way. */
export async function edgeFigures({ rondo, brokers, token, commit }: Edge, count: number): Promise<readonly Figure[]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const service = { service: 'bench', owner: 'team-bench', alert_labels: { service: 'bench' } }
  await fetch(`${rondo.http}/rondo.operations.v1.Operations/PutService`, { method: 'POST', headers, body: JSON.stringify(service) })
  const bus = kafkaBus({ brokers: brokers.split(','), clientId: 'bench', log })
  await bus.ensure([{ name: 'bench.control', partitions: 4 }])
  const pattern = /bench\d+x[0-9a-f]{8}/
  const requirements = await readings(bus, 'rondo.requirements.v1', (value) =>
    value.includes('"origin"') ? pattern.exec(value)?.[0] : undefined,
  )
  const control = await readings(bus, 'bench.control', (value) => pattern.exec(value)?.[0])
  const alert = async (mark: string) => {
    const startsAt = new Date(Date.now() - 60_000).toISOString()
    const body = {
      version: '4',
      status: 'firing',
      externalURL: 'http://bench',
      alerts: [{ status: 'firing', labels: { alertname: mark, service: 'bench' }, startsAt, fingerprint: mark }],
    }
    const response = await fetch(`${rondo.http}/v1/webhooks/alertmanager`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (response.status !== 202) throw new Error(`the edge answered ${response.status}: ${await response.text()}`)
    await response.arrayBuffer()
  }
  const produce = async (mark: string) => {
    await bus.send('bench.control', [{ key: mark, value: Buffer.from(JSON.stringify({ mark, filler: 'x'.repeat(400) })), headers: {} }])
  }
  // Warm all, then measure all in the same minutes, in turn
  await spans(50, requirements.at, alert)
  await spans(50, control.at, produce)
  await commits(50, commit)
  const measured: number[] = []
  const hops: number[] = []
  const written: number[] = []
  for (let round = 0; round < 4; round++) {
    measured.push(...(await spans(count / 4, requirements.at, alert)))
    hops.push(...(await spans(count / 4, control.at, produce)))
    written.push(...(await commits(count / 4, commit)))
  }
  await requirements.stop()
  await control.stop()
  await bus.close()
  if (measured.length < count) process.stderr.write(`${count - measured.length} of ${count} requirements were not read within 20 s\n`)
  const bare = convolved([...Array.from({ length: way.hops }, () => hops), ...Array.from({ length: way.commits }, () => written)])
  const parts = `one hop ${percentile(hops, 50).toFixed(1)} ms, one commit ${percentile(written, 50).toFixed(1)} ms at p50`
  return [50, 99].map((p) => ({
    figure: `alert at the HTTP edge → requirement event on Kafka, p${p}, low load`,
    unit: 'ms',
    value: percentile(measured, p),
    control: { name: `${way.hops} bare produce → consume and ${way.commits} commits by hand, convolved`, value: percentile(bare, p) },
    ratio: percentile(measured, p) / percentile(bare, p),
    spread: [Math.min(...measured), Math.max(...measured)] as const,
    note: parts,
  }))
}
