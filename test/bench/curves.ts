import { randomUUID } from 'node:crypto'
import type { Curve, Point } from './chart.ts'
import { openItems, stored } from './fill.ts'
import { intakeClient } from './intake-client.ts'
import { add, byHand, openControl, openNotes, rate } from './ledger.ts'
import { median, percentile } from './measure.ts'
import { emitter, openLoop } from './open-loop.ts'
import type { Settings } from './rows.ts'
import { allInOne, type Rondo, type Stage } from './stage.ts'
import { each, works } from './stored.ts'

export interface CurveRow {
  /** What `--only` is held against. */
  readonly name: string
  /** Seconds that it takes about. */
  readonly seconds: number
  readonly curve: (stage: Stage, settings: Settings) => Promise<Curve>
}

const callerCounts = [1, 4, 16, 64, 256, 1024] as const
/** Of the hand-written statement: larger ones are no faster. */
const largestBatch = 512

/** In turn at each number of callers: messages a second that a ledger takes, and the same rows written by hand in batches of as many. */
async function throughputOverCallers(stage: Stage): Promise<Curve> {
  const url = await stage.postgres()
  const control = await openControl(url)
  const ledger = await openNotes(url)
  const points: Point[] = []
  try {
    await rate(64, () => add(ledger, randomUUID()), 1000)
    for (const callers of callerCounts) {
      points.push({ series: 'Rondo', x: callers, y: await rate(callers, () => add(ledger, randomUUID())) })
      const write = byHand(control, Math.min(callers, largestBatch))
      points.push({ series: 'same rows by hand', x: callers, y: await rate(1, write) })
    }
  } finally {
    await ledger.close()
    await control.end()
  }
  const title = 'Ledger: messages a second over callers at the same time, each to a stream of its own'
  return { name: 'throughput-over-callers', title, x: 'callers', y: 'messages/s', log: ['x'], points }
}

const shares = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1] as const
const spanMs = 4000

async function latencies(rondo: Rondo, token: string): Promise<readonly Point[]> {
  const client = intakeClient(rondo.grpc, token)
  const offering = emitter(rondo.grpc, token)
  try {
    await rate(64, () => client.unary(), 2000)
    await rondo.quiet()
    const most = await rate(96, () => client.unary(), 3000)
    const points: Point[] = []
    for (const share of shares) {
      await rondo.quiet()
      const { rate: offered, ended } = await openLoop(offering, share * most, spanMs)
      const taken = (await ended).filter(({ as }) => as === 'accepted').map(({ ms }) => ms)
      for (const p of [50, 99]) points.push({ series: `p${p}`, x: offered, y: percentile(taken, p) })
    }
    return points
  } finally {
    client.close()
    offering.close()
  }
}

async function latencyOverRate(stage: Stage): Promise<Curve> {
  const token = await stage.token()
  const points = await stage.withRondo(allInOne, (rondo) => latencies(rondo, token))
  const title = 'gRPC intake: milliseconds until an event is acknowledged, over events offered in a second'
  return { name: 'latency-over-rate', title, x: 'events/s', y: 'ms', log: ['y'], points }
}

/** Each kind of work on the same hot set with ever more events stored beside it: by how much it costs more than with the fewest. */
async function costOverStored(stage: Stage, { rounds, stored: many }: Settings): Promise<Curve> {
  const url = await stage.postgres()
  const sizes = [10_000, 100_000, 1_000_000, 10_000_000].filter((events) => events <= many)
  const ledgers = new Map<number, Awaited<ReturnType<typeof openItems>>>()
  for (const events of sizes) ledgers.set(events, await openItems(url, await stored(url, events)))
  const points: Point[] = []
  try {
    for (const [series, work] of Object.entries(works)) {
      const costs = new Map(sizes.map((events) => [events, [] as number[]]))
      for (let round = 0; round <= rounds; round += 1)
        for (const [events, ledger] of ledgers) {
          const ms = await each(ledger, work)
          // The first round warms caches
          if (round > 0) costs.get(events)?.push(ms)
        }
      const least = median(costs.get(sizes[0] ?? 0) ?? [])
      for (const [events, ms] of costs) points.push({ series, x: events, y: median(ms) / least })
    }
  } finally {
    await Promise.all([...ledgers.values()].map((ledger) => ledger.close()))
  }
  const title = 'Ledger: cost of the same work over events stored, as a multiple of the cost at 10,000'
  return { name: 'cost-over-stored', title, x: 'events stored', y: 'multiple', log: ['x'], points }
}

export const curveRows: readonly CurveRow[] = [
  { name: 'curve-callers', seconds: 30, curve: throughputOverCallers },
  { name: 'curve-rate', seconds: 60, curve: latencyOverRate },
  { name: 'curve-stored', seconds: 90, curve: costOverStored },
]
