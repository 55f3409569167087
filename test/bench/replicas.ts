import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '@rondo/testkit/eventually'
import pg from 'pg'
import { z } from 'zod'
import { type Alert, alerting, offerAlerts, sendAlerts } from './alerts.ts'
import { aimed, atMost, type Figure } from './measure.ts'
import { ticksPerSecond } from './process.ts'
import { allInOne, type Rondo, type Stage } from './stage.ts'

const counts = [1, 2, 4] as const
const idleSeconds = 15

interface Work {
  /** Milliseconds of processor time of all processes of Rondo. */
  readonly cpu: number
  /** Of all that runs on this machine: PostgreSQL, Kafka and the callers, too. */
  readonly all: number
  /** Look-ups are transactions, too. */
  readonly commits: number
  /** How often PostgreSQL has waited for its log to be on the disk, be it for one commit or for several. */
  readonly flushes: number
  /** Records that PostgreSQL writes ahead. Not their bytes: after a checkpoint pages go with them whole, the more of them the larger the tables have become. */
  readonly wal: number
}

/** Seconds of processor time of this machine so far. */
function machineCpu(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu .*$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[0] ?? '')
    .split(/\s+/)
    .map(Number)
  return (user + nice + system + irq + softirq) / ticksPerSecond
}

/** So far. */
async function databaseWork(client: pg.Client): Promise<Pick<Work, 'commits' | 'flushes' | 'wal'>> {
  const { rows } = await client.query<Record<'commits' | 'flushes' | 'wal', string>>(
    `select (select sum(xact_commit) from pg_stat_database) as commits,
      (select sum(fsyncs) from pg_stat_io where object = 'wal') as flushes, (select wal_records from pg_stat_wal) as wal`,
  )
  return { commits: Number(rows[0]?.commits), flushes: Number(rows[0]?.flushes), wal: Number(rows[0]?.wal) }
}

/** As many replicas of all services at once. */
export async function withReplicas<T>(
  stage: Stage,
  count: number,
  work: (all: readonly Rondo[]) => Promise<T>,
  started: Rondo[] = [],
): Promise<T> {
  if (started.length === count) return work(started)
  return stage.withRondo(allInOne, (rondo) => withReplicas(stage, count, work, [...started, rondo]))
}

const services = z.object({
  services: z.array(z.object({ service: z.string(), position: z.string(), relay_delay_ms: z.string(), consumer_lag: z.string() })),
})

/**
 * Nothing has been recorded since some seconds (lags are looked at every few), and all that any replica has to read is read. Of one edge it is
 * asked, and seldom: what answers is counted, too, and must not grow with the replicas.
 */
async function done(edges: readonly string[], token: string): Promise<void> {
  const looked = async (edge: string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await fetch(`${edge}/rondo.ledger.v1.Ledger/Status`, { method: 'POST', headers, body: '{"service":""}' })
    return services.parse(await response.json()).services
  }
  let [before, since] = ['', performance.now()]
  await eventually(
    async () => {
      const now = JSON.stringify((await looked(edges[0] ?? '')).map(({ service, position }) => [service, position]))
      if (now !== before) [before, since] = [now, performance.now()]
      if (performance.now() - since < 8000) return false
      const all = (await Promise.all(edges.map(looked))).flat()
      const rests = all.every((one) => Number(one.relay_delay_ms) + Number(one.consumer_lag) === 0)
      if (!rests) since = performance.now()
      return rests
    },
    { within: 300_000, every: 1000 },
  )
}

const cpuOf = (all: readonly Rondo[]) => all.reduce((sum, one) => sum + one.cpu(), 0)

/** What one of the alerts of this load comes to, with these replicas. */
async function workOf(all: readonly Rondo[], token: string, client: pg.Client, { offer }: Load): Promise<Work> {
  const edges = all.map(({ http }) => http)
  const alert = await alerting(edges, token)
  const look = async () => ({ at: performance.now(), cpu: cpuOf(all), all: machineCpu(), ...(await databaseWork(client)) })
  // What those before have left is not written to the disk meanwhile
  await client.query('checkpoint')
  const before = await look()
  const alerts = await offer(alert, all.length)
  await done(edges, token)
  const after = await look()
  await pause(idleSeconds * 1000)
  const idle = await look()
  // Leases and heartbeats of all replicas are no alert's work, however long it took
  const spans = (after.at - before.at) / (idle.at - after.at)
  const perAlert = (name: keyof Work) => (after[name] - before[name] - (idle[name] - after[name]) * spans) / alerts
  return {
    cpu: perAlert('cpu') * 1000,
    all: perAlert('all') * 1000,
    commits: perAlert('commits'),
    flushes: perAlert('flushes'),
    wal: perAlert('wal'),
  }
}

const measures: readonly (readonly [name: string, unit: string, of: (work: Work) => number])[] = [
  ['processor time of Rondo', 'ms', ({ cpu }) => cpu],
  ['processor time of Rondo, PostgreSQL, Kafka and the callers', 'ms', ({ all }) => all],
  ['commits', 'commits', ({ commits }) => commits],
  ['waits of PostgreSQL for the disk', 'waits', ({ flushes }) => flushes],
  ['records written ahead by PostgreSQL', 'records', ({ wal }) => wal],
]

/** What is offered to so many replicas. */
interface Load {
  readonly name: string
  /** Resolves with how many alerts were taken. */
  readonly offer: (alert: Alert, replicas: number) => Promise<number>
  /** Whether the work must not grow. */
  readonly aim: boolean
}

/** So that four of them and their engines have room on two cores. */
const perSecond = 10
const open = 800
const atATime = 50
const closed = 2000

/**
 * The first is what replicas are for: each has as much to do as one alone, however many there are. With the second, as fast as all of them are
 * on the same cores, each of several has less to gather into a commit, a wake-up and a fetch.
 */
const loads: readonly Load[] = [
  {
    name: `${perSecond} alerts a second for each`,
    aim: true,
    async offer(alert, replicas) {
      const rate = perSecond * replicas
      const { sent, refused } = await offerAlerts(alert, rate, (open * 1000) / rate)
      if (refused > 0) throw new Error(`${refused} of ${refused + sent.size} alerts were told "later"`)
      return sent.size
    },
  },
  {
    name: `${atATime} alerts at a time for all`,
    aim: false,
    async offer(alert) {
      await sendAlerts(alert, closed, atATime)
      return closed
    },
  },
]

/** Of each load. */
async function worksOf(stage: Stage, client: pg.Client, count: number): Promise<ReadonlyMap<Load, Work>> {
  const token = await stage.token()
  return withReplicas(stage, count, async (all) => {
    const edges = all.map(({ http }) => http)
    const alert = await alerting(edges, token)
    // So many: what follows from the first ones is mostly compiling, and more of the broker's than of Rondo's
    await sendAlerts(alert, 2 * closed, atATime)
    await done(edges, token)
    const works = new Map<Load, Work>()
    for (const load of loads) works.set(load, await workOf(all, token, client, load))
    return works
  })
}

function figuresOf(load: Load, found: ReadonlyMap<number, ReadonlyMap<Load, Work>>): readonly Figure[] {
  const one = found.get(1)?.get(load)
  return [...found].flatMap(([count, works]) => {
    const work = works.get(load)
    if (!one || !work) return []
    return measures.map(([name, unit, of]): Figure => {
      const value = of(work)
      const who = `${count} ${count === 1 ? 'replica' : 'replicas'}`
      const figure = { figure: `work of one alert, ${who}, ${load.name}: ${name}`, unit, value, spread: [value, value] as const }
      if (count === 1) return figure
      const compared = { ...figure, control: { name: '1 replica', value: of(one) }, ratio: value / of(one) }
      return load.aim ? aimed(compared, atMost(1.2)) : compared
    })
  })
}

/** What one alert and all that follows from it costs, with one replica of each service and with more: more machines must not mean more work. */
export async function replicaFigures(stage: Stage): Promise<readonly Figure[]> {
  const client = new pg.Client(await stage.postgres())
  await client.connect()
  try {
    const found = new Map<number, ReadonlyMap<Load, Work>>()
    for (const count of counts) found.set(count, await worksOf(stage, client, count))
    return loads.flatMap((load) => figuresOf(load, found))
  } finally {
    await client.end()
  }
}
