import { setTimeout as pause } from 'node:timers/promises'
import { type Bus, kafkaBus } from '@rondo/bus'
import { alerting } from './alerts.ts'
import { type Child, startChild } from './child.ts'
import { edgeAtLoad } from './edge-load.ts'
import { byHand, openControl } from './ledger.ts'
import { aimed, atMost, convolved, type Figure, percentile } from './measure.ts'
import { atPace, newMark, type Readings, readingsOf } from './readings.ts'
import { withReplicas } from './replicas.ts'
import type { Settings } from './rows.ts'
import type { Rondo, Stage } from './stage.ts'

/** Milliseconds between two alerts, and between two of what is compared with them, so that neither finds colder caches: far below what saturates. */
const paceMs = 100
/** So many that a pause of the machine, which meets two or three of them, is not what p99 tells. */
const perRound = 120
/** At that pace, before anything is counted: for half a minute what warming up has left is worked off (autovacuum, say), and now and then one takes 50 to 200 ms. */
const settling = 200
/**
 * Passes of each way before anything is measured, so many at a time: a service has run for long when it is waited for, and so has its broker,
 * whose compilers are busy for minutes after a start, and meet the slowest alerts: so there are more, as long as they take this much of a core.
 */
const warm = { passes: 6000, most: 30_000, atATime: 15, lookAfter: 3000, share: 0.05 } as const
const topic = 'bench.control'

/** What any way of an alert is made of: an edge that answers when all replicas have it, then twice a load and a commit, and another topic. */
interface Parts {
  /** HTTP, 202, and read from the topic. */
  readonly edge: number[]
  /** Sent, and read from another topic. */
  readonly hop: number[]
  readonly commit: number[]
}

interface Control {
  /** Milliseconds of the broker's compilers so far. */
  readonly compiling: () => Promise<number>
  readonly bare: Child
  readonly bus: Bus
  readonly read: Readings
  readonly commit: () => Promise<unknown>
}

/** Resolves when enough were sent. `compiling`: milliseconds of the broker's compilers so far. */
async function passes(compiling: () => Promise<number>, once: (mark: string) => Promise<unknown>): Promise<void> {
  let looked = { at: performance.now(), spent: await compiling() }
  for (let done = 0; done < warm.most; done += warm.atATime) {
    if (done > 0 && done % warm.lookAfter === 0) {
      const before = looked
      looked = { at: performance.now(), spent: await compiling() }
      if (done >= warm.passes && looked.spent - before.spent < (looked.at - before.at) * warm.share) return
    }
    await Promise.all(Array.from({ length: warm.atATime }, (_, index) => once(newMark(done + index))))
  }
}

async function commits(count: number, commit: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const begin = performance.now()
    await commit()
    times.push(performance.now() - begin)
    await pause(paceMs)
  }
  return times
}

const filler = 'x'.repeat(400)

const waysOf = ({ bare, bus }: Pick<Control, 'bare' | 'bus'>) => ({
  post: async (mark: string) => {
    const headers = { 'content-type': 'application/json', 'x-key': mark }
    const response = await fetch(String(bare.told), { method: 'POST', headers, body: JSON.stringify({ mark, filler }) })
    if (response.status !== 202) throw new Error(`the bare edge answered ${response.status}: ${await response.text()}`)
    await response.arrayBuffer()
  },
  send: async (mark: string) => {
    await bus.send(topic, [{ key: mark, value: Buffer.from(JSON.stringify({ mark, filler })), headers: {} }])
  },
})

async function warmed(control: Control): Promise<void> {
  const { post, send } = waysOf(control)
  await passes(control.compiling, post)
  await passes(control.compiling, send)
  for (let done = 0; done < warm.passes; done++) await control.commit()
}

/** One round of each part. */
async function partsOf(count: number, { read, commit, ...ways }: Control): Promise<Parts> {
  const { post, send } = waysOf(ways)
  return {
    edge: await atPace(count, paceMs, read, post),
    hop: await atPace(count, paceMs, read, send),
    commit: await commits(count, commit),
  }
}

const merged = (all: readonly Parts[]): Parts => ({
  edge: all.flatMap(({ edge }) => edge),
  hop: all.flatMap(({ hop }) => hop),
  commit: all.flatMap(({ commit }) => commit),
})

const aims = [
  [50, atMost(1.3)],
  [99, atMost(1.5)],
] as const

function figuresOf(replicas: number, spans: readonly number[], { edge, hop, commit }: Parts): readonly Figure[] {
  const bare = convolved([edge, hop, hop, commit, commit])
  const at50 = (values: readonly number[]) => percentile(values, 50).toFixed(1)
  const who = `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`
  return aims.map(([p, aim]) => {
    const control = { name: 'a bare edge, 2 bare produce → consume and 2 loads and commits by hand, convolved', value: percentile(bare, p) }
    const value = percentile(spans, p)
    return aimed(
      {
        figure: `alert at the HTTP edge → requirement event on Kafka, p${p}, low load, ${who}`,
        unit: 'ms',
        value,
        control,
        ratio: value / control.value,
        spread: [Math.min(...spans), Math.max(...spans)],
        note: `of ${spans.length}; the parts at p50: edge ${at50(edge)} ms, hop ${at50(hop)} ms, commit ${at50(commit)} ms`,
      },
      aim,
    )
  })
}

async function lowLoad(
  all: readonly Rondo[],
  token: string,
  control: Control,
  { rounds, goOn }: Pick<Settings, 'rounds' | 'goOn'>,
): Promise<{ readonly spans: readonly number[]; readonly figures: readonly Figure[] }> {
  const read = await readingsOf(control.bus, 'rondo.requirements.v1', '"origin"')
  const alert = await alerting(
    all.map(({ http }) => http),
    token,
  )
  const spans: number[] = []
  const parts: Parts[] = []
  // Warm all, then measure all in the same minutes, in turn
  await passes(control.compiling, alert)
  await all[0]?.quiet()
  await warmed(control)
  await atPace(settling, paceMs, read, alert)
  await partsOf(settling, control)
  for (let round = 0; round < rounds && (round === 0 || goOn()); round++) {
    spans.push(...(await atPace(perRound, paceMs, read, alert)))
    parts.push(await partsOf(perRound, control))
  }
  await read.stop()
  return { spans, figures: figuresOf(all.length, spans, merged(parts)) }
}

/**
 * An alert at the HTTP edge until the requirement's event can be read on Kafka, beside what the engines take for the same way: with one
 * process of Rondo and with two, and with one at 70 % of what it can do.
 */
export async function edgeFigures(stage: Stage, settings: Settings): Promise<readonly Figure[]> {
  const brokers = await stage.kafka()
  const bus = kafkaBus({ brokers: [brokers], clientId: 'bench', log: () => undefined })
  await bus.ensure([{ name: topic, partitions: 4 }])
  const client = await openControl(await stage.postgres())
  const bare = await startChild('bare-edge.ts', { RONDO_KAFKA_BROKERS: brokers, BENCH_TOPIC: topic })
  const control: Control = {
    compiling: () => stage.compiling(),
    bare,
    bus,
    read: await readingsOf(bus, topic),
    commit: byHand(client, 1),
  }
  const token = await stage.token()
  try {
    const one = await withReplicas(stage, 1, async (all) => {
      const { spans, figures } = await lowLoad(all, token, control, settings)
      const [only] = all
      return only ? [...figures, ...(await edgeAtLoad(only, token, bus, spans))] : figures
    })
    const two = await withReplicas(stage, 2, async (all) => (await lowLoad(all, token, control, settings)).figures)
    return [...one, ...two]
  } finally {
    await control.read.stop()
    await bare.stop()
    await bus.close()
    await client.end()
  }
}
