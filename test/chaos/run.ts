import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { launchReplicated, type Replicated } from '@rondo/testkit/launch'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { type Broken, startCaller } from './callers.ts'
import { drained } from './drain.ts'
import { Edge } from './edge.ts'
import { type Fell, keepLogs, members, reachThrough, startFleet, unwell } from './fleet.ts'
import { type Found, gathered } from './gather.ts'
import { behind, type GoneBack, takenBack } from './gone-back.ts'
import { doneOf, hitsOf, hurtEnough, type Span, unableOf } from './hurting.ts'
import { service } from './jobs.ts'
import { missingOf } from './kinds.ts'
import { createRandom, type Random } from './random.ts'
import { goBack } from './restore.ts'
import type { Mix } from './schedule.ts'
import { startSenders } from './senders.ts'
import { keepSpares, type Spares } from './spares.ts'
import { type Kill, type Stage, Turn } from './stage.ts'
import { Timeline } from './timeline.ts'
import { History, type Told } from './told.ts'
import { type Verdict, verdictOf } from './verdict.ts'

export interface Settings {
  readonly seed: number
  readonly minutes: number
  /** Who send one message after the other, and who send many at once. */
  readonly callers: number
  readonly senders: number
  /** With so many acknowledged those wait: what is judged at once stays within memory. */
  readonly most: number
  readonly mix: Mix
  /** The copy is made when so much of the faults is over, at the latest: what was acknowledged since is done once more. */
  readonly backupAt: number
  /** Milliseconds that work may take to come to its end once all has healed. */
  readonly drainWithin: number
  /** Ends the faults before their time; what is there is judged. */
  readonly ending: AbortSignal
  /** So many have to hit work that is not acknowledged, and each kind of fault has to be there; else the faults go on for half as long again. 0: neither. */
  readonly kills: number
  readonly say: (text: string) => void
}

export interface Result extends Verdict {
  readonly seed: number
  readonly kills: readonly Kill[]
  /** So many should hit. */
  readonly wanted: number
  readonly others: Readonly<Record<string, number>>
  readonly fell: readonly Fell[]
  /** What was not at its end in time, a line each. */
  readonly left: readonly string[]
  readonly tries: number
  /** What the tries were answered with, by its code. */
  readonly answers: Readonly<Record<string, number>>
  /** The restore of an older copy at the end; or why there was none. */
  readonly restore: Restored | { readonly leftOut: string }
  /** Kinds of faults that did not come about, although this machine can make them. */
  readonly missing: readonly string[]
  /** Faults that this machine cannot make, and why. */
  readonly leftOut: readonly string[]
  /** Seconds from each kill of a process until it answered callers again. */
  readonly restarts: readonly number[]
  readonly seconds: { readonly faults: number; readonly drain: number; readonly all: number }
}

export interface Restored {
  /** All processes went on meanwhile, or were started anew. */
  readonly running: boolean
  /** Services of whose events others knew more than the copy. */
  readonly services: readonly string[]
  /** Acknowledged messages that the copy did not have: given up by the operator, and none of them is counted as lost. */
  readonly takenBack: number
  readonly seconds: number
}

/** Seconds: what draining and the restore take of the whole. */
const reserved = 60
/** With fewer nothing can be sent. */
const leastBrokers = 2
/** Milliseconds that callers work after the restore. */
const afterRestore = 4000
/** Milliseconds between two messages of a caller, on average. */
const rest = 350

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

/** Seconds between two that are shown; the time line has each. */
const shownEvery = 10

function progress(stage: Stage): () => void {
  const { history, fleet, timeline, say } = stage
  let looks = 0
  const timer = setInterval(() => {
    const waiting = (['operations', 'requirements', 'intake'] as const).map(
      (name) => `${name} ${history.waiting(({ target }) => target === name)}`,
    )
    const down = fleet.members.flatMap(({ up, name }) => (up ? [] : [name]))
    const so = `${history.acknowledged} acknowledged, ${history.told.length} tries, ${hitsOf(stage)} kills that hit (${stage.kills.length} in all)`
    timeline.note(`${so}; waiting: ${waiting.join(', ')}; down: ${down.join(', ') || 'nobody'}; to be read: ${stage.intake.behind}`)
    looks += 1
    if (looks % shownEvery === 0) say(`  ${timeline.now.toFixed(0)} s: ${so}`)
  }, 1000)
  return () => clearInterval(timer)
}

function called(stage: Stage, edge: Edge, { callers, senders, most, mix, seed }: Settings, name: string) {
  const random: Random = createRandom(seed)
  const broken: Broken[] = []
  const all = Array.from({ length: Math.ceil(callers * mix.callers) }, (_, index) =>
    startCaller(`${name}${index}`, {
      edge,
      random: random.fork(`caller ${name}${index}`),
      broken: (one) => broken.push(one),
      rest,
      // The others would all wait for the brokers where these are down, and nobody for the services
      asksOnly: index % 2 === 0,
    }),
  )
  const many = startSenders(name === '' ? Math.ceil(senders * mix.senders) : 0, { stage, edge, random: random.fork('senders'), most })
  const quiet = progress(stage)
  return async (): Promise<readonly Broken[]> => {
    await Promise.all([many, ...all].map((caller) => caller.stop()))
    quiet()
    return broken
  }
}

async function disturbed(stage: Stage, edge: Edge, settings: Settings, span: Span): Promise<readonly Broken[]> {
  const end = called(stage, edge, settings, '')
  await hurtEnough(stage, settings, span)
  settings.say('the last fault is over; all heals')
  await stage.timeline.span('all processes back', stage.fleet.back)
  return stage.timeline.span('last answers', end)
}

interface Judged extends Verdict {
  readonly left: readonly string[]
}

/** Waits until all has come to rest, reads everything, and compares. */
async function judged(
  stage: Stage,
  { drainWithin }: Settings,
  seen: readonly Broken[],
  gone?: GoneBack,
): Promise<{ readonly verdict: Judged; readonly found: Found }> {
  const { database, history, say, timeline } = stage
  const begin = performance.now()
  const waiting = await timeline.span('drain', () => drained(stage, drainWithin))
  const left = waiting.length > 0 ? [...waiting, ...(await unwell(stage.fleet))] : []
  say(`drained in ${((performance.now() - begin) / 1000).toFixed(0)} s; reading ledgers and topics`)
  const found = await timeline.span('reading of ledgers and topics', () => gathered(database, stage.engines.addresses.kafka))
  const verdict = await timeline.span('comparison', async () => verdictOf(history.told, found, seen, gone))
  return { verdict: { ...verdict, left }, found }
}

interface Back {
  readonly verdict?: Judged
  /** What kept it from being settled, a line each. */
  readonly stuck?: readonly string[]
  readonly restore: Result['restore']
}

/** An older copy in the place of PostgreSQL's data; then callers again, and the same judgement. What could not be done is said. */
async function wentBack(stage: Stage, edge: Edge, settings: Settings, before: Found): Promise<Back> {
  if (!stage.backup.taken) return { restore: { leftOut: 'no copy of PostgreSQL could be made' } }
  try {
    return await restored(stage, edge, settings, before)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { restore: { leftOut: `it was not well again: ${why}` }, stuck: [why, ...(await unwell(stage.fleet))] }
  }
}

async function restored(stage: Stage, edge: Edge, settings: Settings, before: Found): Promise<Back> {
  const begin = performance.now()
  const gone = await stage.timeline.span('going back to the copy', () => goBack(stage, edge, before))
  const end = called(stage, edge, settings, 'after-')
  await pause(afterRestore)
  const { verdict, found } = await judged(stage, settings, await end(), gone)
  if (verdict.broken.length > 0) await keepFound(settings.seed, found, gone)
  const restore = {
    running: gone.running,
    services: behind(gone),
    takenBack: takenBack(stage.history.told, gone).size,
    seconds: (performance.now() - begin) / 1000,
  }
  return { verdict, restore }
}

const both = (one: Judged, other: Judged): Judged => ({
  acknowledged: other.acknowledged,
  lost: [...one.lost, ...other.lost.map((what) => `after the restore: ${what}`)],
  twice: [...one.twice, ...other.twice.map((what) => `after the restore: ${what}`)],
  broken: [...one.broken, ...other.broken.map(({ promise, what }) => ({ promise, what: `after the restore: ${what}` }))],
  left: [...one.left, ...other.left.map((what) => `after the restore: ${what}`)],
})

/** What has to be ended where the run is interrupted, the last first. */
const open: (() => Promise<void>)[] = []

/** Ends what runs, whatever the run is at. */
export async function stopAll(): Promise<void> {
  for (let end = open.pop(); end; end = open.pop()) await end()
}

interface Parts {
  readonly engines: Replicated
  readonly spares: Spares
  readonly timeline: Timeline
}

async function staged(
  { seed, say, mix: { bothDown, amidStarts } }: Settings,
  { engines, spares, timeline }: Parts,
): Promise<{ readonly stage: Stage; readonly edge: Edge }> {
  const database = engines.postgres.address
  const { kafka, redis } = engines.addresses
  const server = { answers: true }
  const worthTrying = () => server.answers && engines.postgres.runs && engines.brokers.filter(({ runs }) => runs).length >= leastBrokers
  const around = { database, kafka, redis, reach: reachThrough(engines.network), spares, timeline }
  const fleet = await startFleet({ ...around, engines: { worthTrying } })
  open.push(fleet.end)
  const history = new History()
  const edge = new Edge(fleet.gateways, fleet.token, history)
  await prepared(edge)
  const random = createRandom(seed).fork('faults')
  const turns = { server: new Turn(), brokers: new Turn() }
  const done = { kills: [], others: new Map(), backup: { taken: false }, intake: { behind: 0, resting: false } }
  return { stage: { engines, database, fleet, history, random, turns, server, bothDown, amidStarts, say, timeline, ...done }, edge }
}

/** Of the processes of a run. */
export const logFolder = (seed: number): string => join(repositoryRoot(), '.chaos', `seed-${seed}`)

/** What was judged after a restore, for whoever looks why a promise broke. */
async function keepFound(seed: number, { ledgers, topics }: Found, { heads, before }: GoneBack): Promise<void> {
  await mkdir(logFolder(seed), { recursive: true })
  const plain = (all: Found['ledgers']) => Object.fromEntries([...all].map(([name, { events, epoch }]) => [name, { events, epoch }]))
  const told = { heads: Object.fromEntries(heads), before: plain(before.ledgers), after: plain(ledgers), topics }
  await writeFile(join(logFolder(seed), 'after-restore.json'), JSON.stringify(told))
}

function answersOf({ told }: History): Result['answers'] {
  const said = ({ outcome }: Told) => {
    if (outcome.kind === 'acknowledged') return 'acknowledged'
    return outcome.kind === 'refused' ? outcome.code : `${outcome.code} (${outcome.typed ? 'said by Rondo' : 'by the connection'})`
  }
  const groups = [...Map.groupBy(told, said)].map(([answer, all]) => [answer, all.length] as const)
  return Object.fromEntries(groups.sort(([one], [other]) => one.localeCompare(other)))
}

const leftOutOf = ({ network, disks }: Replicated): readonly string[] => [
  ...('missing' in network ? [`the network was left alone: ${network.missing}`] : []),
  ...('missing' in disks ? [`no disk was full: ${disks.missing}`] : []),
]

/** One run on engines of its own. */
export async function chaos(settings: Settings): Promise<Result> {
  const { seed, minutes, say } = settings
  const begin = performance.now()
  const since = (from: number) => (performance.now() - from) / 1000
  say(`seed ${seed}: starting PostgreSQL, three brokers and Redis`)
  const timeline = new Timeline(logFolder(seed))
  // They are loaded while the engines start
  const spares = keepSpares(members.length)
  open.push(async () => spares.end())
  const engines = await timeline.span('start of the engines', launchReplicated)
  open.push(engines.end)
  try {
    const leftOut = leftOutOf(engines)
    for (const one of leftOut) say(one)
    say(`starting the services (${since(begin).toFixed(0)} s)`)
    const { stage, edge } = await timeline.span('start of the services', () => staged(settings, { engines, spares, timeline }))
    const started = performance.now()
    say(`hurting (${since(begin).toFixed(0)} s)`)
    const end = Math.max(started + 30_000, begin + (minutes * 60 - reserved) * 1000)
    const seen = await disturbed(stage, edge, settings, { end, latest: end + minutes * 30_000 })
    const hurtFor = since(started)
    const drainBegin = performance.now()
    const { verdict, found } = await judged(stage, settings, seen)
    const drain = since(drainBegin)
    const back = await wentBack(stage, edge, settings, found)
    edge.close()
    const { history, fleet, kills } = stage
    await keepLogs(fleet, logFolder(seed))
    const whole = back.verdict ? both(verdict, back.verdict) : verdict
    return {
      ...whole,
      left: [...whole.left, ...(back.stuck ?? [])],
      seed,
      kills,
      wanted: settings.kills,
      others: doneOf(stage).others,
      missing: missingOf(doneOf(stage), unableOf(engines)),
      fell: fleet.fell,
      restore: back.restore,
      leftOut,
      tries: history.told.length,
      answers: answersOf(history),
      restarts: fleet.members.flatMap(({ starts }) => starts),
      seconds: { faults: hurtFor, drain, all: since(begin) },
    }
  } finally {
    await stopAll()
  }
}
