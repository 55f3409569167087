import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { launchReplicated } from '@rondo/testkit/launch'
import { type Broken, startCaller } from './callers.ts'
import { drained } from './drain.ts'
import { Edge } from './edge.ts'
import { faults } from './faults.ts'
import { type Fell, type Fleet, startFleet } from './fleet.ts'
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
async function hurt(stage: Stage, planned: readonly Planned[], end: number): Promise<void> {
  const running = new Map<string, Promise<void>>()
  const begin = performance.now()
  for (const { at, fault } of planned) {
    const wait = begin + at * 1000 - performance.now()
    if (wait > 0) await pause(wait)
    if (performance.now() > end) break
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
    const hits = stage.kills.filter(({ inFlight }) => inFlight > 0).length
    stage.say(
      `  ${stage.history.acknowledged} acknowledged, ${stage.history.told.length} tries, ${hits} kills that hit (${stage.kills.length} in all)`,
    )
  }, 10_000)
  return () => clearInterval(timer)
}

async function disturbed(stage: Stage, edge: Edge, settings: Settings, end: number): Promise<readonly Broken[]> {
  const broken: Broken[] = []
  const random: Random = createRandom(settings.seed)
  const callers = Array.from({ length: settings.callers }, (_, index) =>
    startCaller(`${index}`, { edge, random: random.fork(`caller ${index}`), broken: (one) => broken.push(one), rest: 120 }),
  )
  const quiet = progress(stage)
  const seconds = (end - performance.now()) / 1000
  await hurt(stage, scheduleOf(seconds, random.fork('schedule')), end)
  settings.say('the last fault is over; all heals')
  await stage.fleet.back()
  await Promise.all(callers.map((caller) => caller.stop()))
  quiet()
  return broken
}

/** One run on engines of its own. */
export async function chaos(settings: Settings): Promise<Result> {
  const { seed, minutes, say } = settings
  const begin = performance.now()
  say(`seed ${seed}: starting PostgreSQL, three brokers and Redis`)
  const engines = await launchReplicated()
  let fleet: Fleet | undefined
  try {
    const database = engines.postgres.address
    const brokers = engines.brokers.map(({ address }) => address)
    say(`starting the services (${((performance.now() - begin) / 1000).toFixed(0)} s)`)
    fleet = await startFleet({ RONDO_DATABASE_URL: database, RONDO_KAFKA_BROKERS: brokers.join(), RONDO_REDIS_URL: engines.redis.address })
    const history = new History()
    const edge = new Edge(fleet.gateways, fleet.token, history)
    await prepared(edge)
    const others = new Map<string, number>()
    const stage: Stage = { engines, database, fleet, history, random: createRandom(seed).fork('faults'), kills: [], others, say }
    const started = performance.now()
    say(`hurting (${((started - begin) / 1000).toFixed(0)} s)`)
    const seen = await disturbed(stage, edge, settings, Math.max(started + 20_000, begin + (minutes * 60 - reserved) * 1000))
    const hurtFor = performance.now()
    const left = await drained(database, brokers, drainWithin)
    const drainedAt = performance.now()
    say(`drained in ${((drainedAt - hurtFor) / 1000).toFixed(0)} s; reading ledgers and topics`)
    const found = await gathered(database, brokers)
    edge.close()
    if (process.env.CHAOS_TRACE)
      writeFileSync(
        process.env.CHAOS_TRACE,
        JSON.stringify({
          started,
          told: history.told,
          kills: stage.kills,
          starts: fleet.members.map(({ name, starts }) => [name, starts]),
          logs: fleet.members.map((one) => [one.name, one.process.log]),
          origin: performance.timeOrigin,
        }),
      )
    const seconds = { faults: (hurtFor - started) / 1000, drain: (drainedAt - hurtFor) / 1000, all: (performance.now() - begin) / 1000 }
    return {
      ...verdictOf(history.told, found, seen),
      seed,
      kills: stage.kills,
      others: Object.fromEntries(others),
      fell: fleet.fell,
      left,
      tries: history.told.length,
      seconds,
    }
  } finally {
    await fleet?.end()
    await engines.end()
  }
}
