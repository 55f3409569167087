import { setTimeout as pause } from 'node:timers/promises'
import { launchReplicated } from '@rondo/testkit/launch'
import { type Broken, startCaller } from './callers.ts'
import { drained } from './drain.ts'
import { Edge } from './edge.ts'
import { faults } from './faults.ts'
import { type Fell, reachThrough, startFleet } from './fleet.ts'
import { gathered } from './gather.ts'
import { service } from './jobs.ts'
import { createRandom, type Random } from './random.ts'
import { type Planned, scheduleOf } from './schedule.ts'
import type { Kill, Stage } from './stage.ts'
import { History } from './told.ts'
import { type Verdict, verdictOf } from './verdict.ts'

export interface Settings {
  readonly seed: number
  readonly minutes: number
  readonly callers: number
  /** So many have to hit work that is not acknowledged; where the machine is too busy, the faults go on for half as long again. */
  readonly kills: number
  readonly say: (text: string) => void
}

export interface Result extends Verdict {
  readonly seed: number
  readonly kills: readonly Kill[]
  readonly others: Readonly<Record<string, number>>
  readonly fell: readonly Fell[]
  /** What was not at its end in time, a line each. */
  readonly left: readonly string[]
  readonly tries: number
  /** Seconds from each kill of a process until it answered callers again. */
  readonly restarts: readonly number[]
  readonly seconds: { readonly faults: number; readonly drain: number; readonly all: number }
}

/** Seconds: what starting and draining take of the whole. */
const reserved = 75
const drainWithin = 150_000

async function prepared(edge: Edge): Promise<void> {
  const request = {
    service,
    owner: 'team-chaos',
    repositories: [],
    artifacts: [],
    alert_labels: { service },
    problem_labels: ['alertname'],
  }
  const outcome = await edge.ask(0, { target: 'operations', method: 'PutService', messageId: 'catalog', request })
  if (outcome.kind !== 'acknowledged') throw new Error(`the service could not be put: ${JSON.stringify(outcome)}`)
  await edge.ask(1, { target: 'operations', method: 'PutService', messageId: 'catalog', request })
}

/** Each fault at its time; those that last go on beside the others, never two of one kind. */
async function hurt(stage: Stage, planned: readonly Planned[], begin: number, over: () => boolean): Promise<void> {
  const running = new Map<string, Promise<void>>()
  for (const { at, fault } of planned) {
    const wait = begin + at * 1000 - performance.now()
    if (wait > 0) await pause(wait)
    if (over()) break
    if (running.has(fault)) continue
    const work = faults[fault](stage)
      .catch((error: unknown) => stage.say(`  ${fault}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => running.delete(fault))
    running.set(fault, work)
  }
  await Promise.all(running.values())
}

function progress(stage: Stage): () => void {
  const timer = setInterval(() => {
    stage.say(
      `  ${stage.history.acknowledged} acknowledged, ${stage.history.told.length} tries, ${hitsOf(stage)} kills that hit (${stage.kills.length} in all)`,
    )
  }, 10_000)
  return () => clearInterval(timer)
}

const hitsOf = ({ kills }: Stage): number => kills.filter(({ inFlight }) => inFlight > 0).length

/** From when on it ends, and when it ends in any case (milliseconds of this process's clock). */
interface Span {
  readonly end: number
  readonly latest: number
}

/** One schedule, long enough; as much of it as is needed. */
async function hurtEnough(stage: Stage, random: Random, wanted: number, { end, latest }: Span): Promise<void> {
  const begin = performance.now()
  const planned = scheduleOf((latest - begin) / 1000, random)
  await hurt(stage, planned, begin, () => performance.now() > latest || (performance.now() > end && hitsOf(stage) >= wanted))
}

async function disturbed(stage: Stage, edge: Edge, settings: Settings, span: Span): Promise<readonly Broken[]> {
  const broken: Broken[] = []
  const random: Random = createRandom(settings.seed)
  const callers = Array.from({ length: settings.callers }, (_, index) =>
    startCaller(`${index}`, { edge, random: random.fork(`caller ${index}`), broken: (one) => broken.push(one), rest: 120 }),
  )
  const quiet = progress(stage)
  await hurtEnough(stage, random.fork('schedule'), settings.kills, span)
  settings.say('the last fault is over; all heals')
  await stage.fleet.back()
  await Promise.all(callers.map((caller) => caller.stop()))
  quiet()
  return broken
}

/** What has to be ended where the run is interrupted, the last first. */
const open: (() => Promise<void>)[] = []

/** Ends what runs, whatever the run is at. */
export async function stopAll(): Promise<void> {
  for (let end = open.pop(); end; end = open.pop()) await end()
}

/** One run on engines of its own. */
export async function chaos(settings: Settings): Promise<Result> {
  const { seed, minutes, say } = settings
  const begin = performance.now()
  say(`seed ${seed}: starting PostgreSQL, three brokers and Redis`)
  const engines = await launchReplicated()
  open.push(engines.end)
  try {
    const database = engines.postgres.address
    const brokers = engines.addresses.kafka
    if ('missing' in engines.network) say(`the network is left alone: ${engines.network.missing}`)
    say(`starting the services (${((performance.now() - begin) / 1000).toFixed(0)} s)`)
    const { postgres, kafka, redis } = engines.addresses
    const env = { RONDO_DATABASE_URL: postgres, RONDO_KAFKA_BROKERS: kafka.join(), RONDO_REDIS_URL: redis }
    const fleet = await startFleet(env, reachThrough(engines.network))
    open.push(fleet.end)
    const history = new History()
    const edge = new Edge(fleet.gateways, fleet.token, history)
    await prepared(edge)
    const others = new Map<string, number>()
    const stage: Stage = { engines, database, fleet, history, random: createRandom(seed).fork('faults'), kills: [], others, say }
    const started = performance.now()
    say(`hurting (${((started - begin) / 1000).toFixed(0)} s)`)
    const end = Math.max(started + 20_000, begin + (minutes * 60 - reserved) * 1000)
    const seen = await disturbed(stage, edge, settings, { end, latest: end + minutes * 30_000 })
    const hurtFor = performance.now()
    const left = await drained(database, brokers, drainWithin)
    const drainedAt = performance.now()
    say(`drained in ${((drainedAt - hurtFor) / 1000).toFixed(0)} s; reading ledgers and topics`)
    const found = await gathered(database, brokers)
    edge.close()
    const seconds = { faults: (hurtFor - started) / 1000, drain: (drainedAt - hurtFor) / 1000, all: (performance.now() - begin) / 1000 }
    return {
      ...verdictOf(history.told, found, seen),
      seed,
      kills: stage.kills,
      others: Object.fromEntries(others),
      fell: fleet.fell,
      left,
      tries: history.told.length,
      restarts: fleet.members.flatMap(({ starts }) => starts),
      seconds,
    }
  } finally {
    await stopAll()
  }
}
