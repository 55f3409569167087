import { setTimeout as pause } from 'node:timers/promises'
import { kafkaBus } from '@rondo/bus'
import { type Child, startChild, watchMemory } from './child.ts'
import { type IntakeClient, intakeClient } from './intake-client.ts'
import { aimed, atMost, type Figure } from './measure.ts'
import { v8Flags } from './process.ts'
import type { Settings } from './rows.ts'
import { allInOne, type Rondo, type Stage } from './stage.ts'

const topic = 'bench.idle'
const idleSeconds = 20
const callers = 8

async function startEmpty(stage: Stage): Promise<Child> {
  const env = await stage.env()
  const bus = kafkaBus({ brokers: [env.RONDO_KAFKA_BROKERS ?? ''], clientId: 'bench' })
  await bus.ensure([{ name: topic, partitions: 4 }])
  await bus.close()
  return startChild('empty.ts', { ...env, BENCH_TOPIC: topic }, v8Flags(allInOne))
}

const single = (figure: string, unit: string, value: number, control: number, note: string): Figure => ({
  figure,
  unit,
  value,
  spread: [value, value],
  control: { name: 'an empty process with the same libraries connected', value: control },
  ratio: value / control,
  note,
})

/** Percent of a core of both, over the same seconds. */
async function idleShares(all: readonly Pick<Child, 'cpu'>[]): Promise<readonly number[]> {
  const before = all.map((one) => one.cpu())
  await pause(idleSeconds * 1000)
  return all.map((one, index) => ((one.cpu() - (before[index] ?? 0)) / idleSeconds) * 100)
}

/** So many events in batches, as fast as they are taken; resolves with the most memory seen. */
async function saturated(rondo: Rondo, client: IntakeClient, events: number): Promise<number> {
  const memory = watchMemory(rondo)
  let left = events
  const caller = async () => {
    while (left > 0) {
      left -= 100
      await client.batch()
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  await rondo.quiet()
  return memory.most()
}

async function beside(rondo: Rondo, empty: Child, token: string, events: number): Promise<readonly Figure[]> {
  // At its most, too: where the kernel takes pages from who rests it is smaller at the end than it ever was at work
  const control = watchMemory(empty)
  await rondo.quiet()
  // What start-up left for the collector is not idleness
  await pause(3000)
  const idle = rondo.memory()
  const [share = Number.NaN, emptyShare = Number.NaN] = await idleShares([rondo, empty])
  const client = intakeClient(rondo.grpc, token)
  const half = await saturated(rondo, client, events / 2)
  const afterHalf = rondo.memory()
  const most = Math.max(half, await saturated(rondo, client, events / 2))
  client.close()
  const count = events.toLocaleString('en')
  const [memory, after] = [control.most(), rondo.memory()]
  return [
    aimed(single('processor, all in one, idle', '% of a core', share, emptyShare, `over ${idleSeconds} s`), atMost(1, 'difference')),
    single('memory, all in one, idle', 'MB', idle, memory, 'resident'),
    aimed(
      single('memory, all in one, at saturation', 'MB', most, memory, `the most while ${count} events came as fast as they were taken`),
      atMost(100, 'difference'),
    ),
    aimed(
      single(`memory, all in one, after ${count} events`, 'MB', after, memory, `after half of them ${Math.round(afterHalf)} MB`),
      atMost(100, 'difference'),
    ),
  ]
}

/** What all in one process takes while nothing happens, and what remains after much did. */
export async function idleFigures(stage: Stage, { events }: Settings): Promise<readonly Figure[]> {
  const token = await stage.token()
  return stage.withRondo(allInOne, async (rondo) => {
    const empty = await startEmpty(stage)
    try {
      return await beside(rondo, empty, token, events)
    } finally {
      await empty.stop()
    }
  })
}
