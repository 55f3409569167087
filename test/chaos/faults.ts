import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '@rondo/testkit/eventually'
import type { Controlled } from '@rondo/testkit/launch'
import { type Backend, oneAtWork, terminated } from './backends.ts'
import { backUp } from './backup.ts'
import { answering, brokerDisk, serverDisk } from './disks.ts'
import type { Fleet, Member } from './fleet.ts'
import { inSync } from './in-sync.ts'
import { hurtLines } from './network.ts'
import type { Random } from './random.ts'
import type { FaultName } from './schedule.ts'
import { callsOf, count, type Kill, type KillKind, type Stage } from './stage.ts'
import type { Call } from './told.ts'
import { frozen } from './zombie.ts'

/** Resolves when its damage is done and mended, as far as it is mended by itself. */
export type Fault = (stage: Stage) => Promise<void>

/** Milliseconds that a fault waits for somebody to be in its way. */
const patience = 2000

/** The services whose connections callers wait for. */
const asking = ['requirements', 'operations', 'gateway'] as const

async function underWay(stage: Stage, fits: (call: Call) => boolean): Promise<number> {
  return eventually(() => stage.history.waiting(fits) || undefined, { within: patience, every: 1 }).catch(() => 0) // nobody called
}

function note(stage: Stage, kind: KillKind, victim: string, inFlight: number): void {
  const kill: Kill = { kind, victim, at: performance.now(), inFlight }
  stage.kills.push(kill)
  stage.timeline.note(`kill: ${victim}, ${inFlight} waited`)
}

/** Calls that this process, or for it its gateway, has not answered yet. */
const reaching =
  ({ service, replica }: Member) =>
  (call: Call): boolean =>
    call.edge === replica && (service === 'gateway' || call.target === service)

/** On a machine that is slow to start processes, callers would else wait for nobody. */
const downMost = 4
/** Milliseconds until both of a service are there. */
const wholeWithin = 30_000

/** Some member of this service that may be killed now. Mostly one side goes on meanwhile: gateway n sends to the nth of each service. */
export function victimOf(
  { members, random, bothDown }: Pick<Fleet, 'members'> & Pick<Stage, 'random' | 'bothDown'>,
  service: string,
): Member | undefined {
  const down = members.filter(({ up }) => !up)
  if (down.length >= downMost) return undefined
  const sides = new Set(down.filter((one) => one.service !== 'several').map(({ replica }) => replica))
  const either = sides.size === 0 || service === 'several' || random.chance(bothDown)
  const up = members.filter((one) => one.service === service && one.up && !one.needed && (either || sides.has(one.replica)))
  return up.length === 0 ? undefined : random.pick(up)
}

/** `several` is asked by nobody directly. Whom nobody reaches (its gateway is gone) is left: a start is dear, and would count for nothing. */
const killed =
  (service: string): Fault =>
  async (stage) => {
    const victim = victimOf({ ...stage, members: stage.fleet.members }, service)
    if (!victim) return
    const inFlight = service === 'several' ? 0 : await underWay(stage, reaching(victim))
    if (!victim.up || victim.needed || (inFlight === 0 && service !== 'several')) return
    note(stage, 'service', victim.name, inFlight)
    await victim.kill()
  }

/** What runs on one host and may be killed now: all that there is of a side, while the other one goes on mostly. */
export function hostOf({ members, random, bothDown }: Pick<Fleet, 'members'> & Pick<Stage, 'random' | 'bothDown'>): readonly Member[] {
  const hosts = [...Map.groupBy(members, ({ service, replica }) => (service === 'several' ? undefined : replica))]
    .filter(([replica]) => replica !== undefined)
    .map(([, side]) => side)
  const whole = hosts.filter((side) => side.every(({ up, needed }) => up || needed))
  if (whole.length === 0 || (whole.length < hosts.length && !random.chance(bothDown))) return []
  return random.pick(whole).filter(({ needed }) => !needed)
}

/** Those of them that may be killed and for whom somebody waits, when all are at work within some time. */
async function atWork(stage: Stage, victims: readonly Member[]): Promise<readonly Member[]> {
  const waits = (one: Member) => stage.history.waiting(reaching(one))
  await eventually(() => victims.every((one) => waits(one) > 0), { within: patience, every: 1 }).catch(() => undefined) // then as many as are
  return victims.filter((one) => one.up && !one.needed && waits(one) > 0)
}

/** Each counts for itself, by who waited for it. */
async function killedAtOnce(stage: Stage, hit: readonly Member[]): Promise<void> {
  for (const one of hit) note(stage, 'service', one.name, stage.history.waiting(reaching(one)))
  await Promise.all(hit.map((one) => one.kill()))
}

/** A host dies, and all its processes at the same moment. */
const host: Fault = async (stage) => {
  const hit = await atWork(stage, hostOf({ ...stage, members: stage.fleet.members }))
  if (hit.length > 1) count(stage, 'a host’s processes killed at the same moment')
  await killedAtOnce(stage, hit)
}

const backend: Fault = async (stage) => {
  let before = 0
  const victim = await terminated(stage.database, () => {
    before = performance.now()
    return asking.filter((service) => stage.history.waiting(callsOf(service)) > 0)
  })
  // Those who waited before it was ended, and still do
  const waits = ({ service }: Backend) => stage.history.waiting((call) => callsOf(service)(call) && call.begun < before)
  if (victim) note(stage, 'backend', `connection of ${victim.service}`, waits(victim))
  else stage.timeline.note(`no connection was at work for a caller (${stage.history.waiting(() => true)} wait)`)
}

/** Milliseconds that processes that start are waited for: where the server goes before one is there, none ever is. */
const startsWithin = 30_000

/** All that hurts the server until it answers again. */
async function serverHurt(stage: Stage, work: () => Promise<unknown>): Promise<void> {
  stage.server.answers = false
  try {
    await work()
    await answering(stage)
  } finally {
    stage.server.answers = true
  }
}

const serverStop: Fault = (stage) =>
  stage.turns.server.take(async () => {
    const started = () => stage.fleet.members.every(({ up, needed }) => up || needed)
    if (!stage.random.chance(stage.amidStarts)) await eventually(started, { within: startsWithin, every: 20 }).catch(() => undefined) // the machine is busy
    const inFlight = await underWay(stage, () => true)
    note(stage, 'server', 'PostgreSQL (immediate stop)', inFlight)
    // "Immediate": no checkpoint, recovery at the next start
    await serverHurt(stage, () => stage.engines.postgres.kill('SIGQUIT'))
  })

/** A connection that dies without a word may have left shared memory in disorder: the server throws all of it away and recovers. */
const serverBackend: Fault = (stage) =>
  stage.turns.server.take(async () => {
    const victim = await eventually(() => oneAtWork(stage.database, asking), { within: patience, every: 5 }).catch(() => undefined) // nobody at work
    if (!victim) return
    note(stage, 'server', `PostgreSQL (SIGKILL of a connection of ${victim.service})`, stage.history.waiting(callsOf(victim.service)))
    await serverHurt(stage, async () => {
      try {
        process.kill(victim.pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    })
  })

const emits = ({ target }: Call): boolean => target === 'intake'

async function brokerKilled(stage: Stage): Promise<Controlled> {
  const victim = stage.random.pick(stage.engines.brokers)
  note(stage, 'broker', `broker ${victim.address}`, await underWay(stage, emits))
  await victim.kill()
  return victim
}

const broker: Fault = (stage) =>
  stage.turns.brokers.take(async () => {
    const victim = await brokerKilled(stage)
    // Mostly until another one leads its partitions
    await pause(3000 + stage.random.below(5000))
    await victim.start()
  })

/** As a supervisor has it: started again at once. Until it has all that the others have, the next one is left alone. */
const brokerBack: Fault = (stage) =>
  stage.turns.brokers.take(async () => {
    const victim = await brokerKilled(stage)
    await stage.timeline.span('start of a broker', () => victim.start())
    await stage.timeline.span('copies in sync', () => inSync(stage))
  })

/** All of them at the same moment, and all are started again at once. */
async function brokersKilled(stage: Stage, inFlight: number): Promise<void> {
  const { brokers } = stage.engines
  for (const { address } of brokers) note(stage, 'broker', `broker ${address}`, inFlight)
  await Promise.all(brokers.map((one) => one.kill()))
}

async function brokersBack(stage: Stage): Promise<void> {
  await Promise.all(stage.engines.brokers.map((one) => one.start()))
  await inSync(stage)
}

/** Nobody leads a partition, and nobody the cluster, until they are back. */
const brokers: Fault = (stage) =>
  stage.turns.brokers.take(async () => {
    await brokersKilled(stage, await underWay(stage, emits))
    count(stage, 'all brokers killed at the same moment')
    await brokersBack(stage)
  })

/** All that runs dies at the same moment, engines and services, and is started again at once. */
const site: Fault = (stage) =>
  stage.turns.server.take(() =>
    stage.turns.brokers.take(async () => {
      await underWay(stage, emits)
      const hit = await atWork(
        stage,
        stage.fleet.members.filter(({ service, needed }) => service !== 'several' && !needed),
      )
      const emitting = stage.history.waiting(emits)
      count(stage, 'services, brokers and PostgreSQL killed at the same moment')
      note(
        stage,
        'server',
        'PostgreSQL (immediate stop)',
        stage.history.waiting(() => true),
      )
      const server = serverHurt(stage, () => stage.engines.postgres.kill('SIGQUIT'))
      await Promise.all([killedAtOnce(stage, hit), brokersKilled(stage, emitting)])
      await Promise.all([server, brokersBack(stage)])
    }),
  )

/** A writer that others take for dead and whose work they take over, until it wakes up. Its service is left alone meanwhile. */
const freeze: Fault = async (stage) => {
  const service = stage.random.pick(['operations', 'requirements'])
  const members = stage.fleet.members.filter((one) => one.service === service)
  for (const one of members) one.needed = true
  try {
    // Its like has to be there to take over
    await eventually(() => members.every(({ up }) => up), { within: wholeWithin, every: 100 })
    const victim = stage.random.pick(members)
    await underWay(stage, reaching(victim))
    await frozen(stage, victim)
  } finally {
    for (const one of members) one.needed = false
  }
}

const redis: Fault = async (stage) => {
  count(stage, 'Redis gone')
  await stage.engines.redis.kill()
  await pause(4000)
  await stage.engines.redis.start()
}

/** Milliseconds after which a stranger that has not gone by itself is killed. */
const strangerStays = 60_000

/** Members that come and go: the partitions of the group move each time. */
const storm: Fault = async (stage) => {
  const group = `rondo.${stage.random.pick(['operations', 'requirements'])}`
  const file = join(import.meta.dirname, 'stranger.ts')
  const stranger = spawn(process.execPath, [file, group, ...stage.engines.addresses.kafka], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: strangerStays,
    killSignal: 'SIGKILL',
  })
  stranger.stdout.on('data', (lines: Buffer) => count(stage, 'rebalances by a stranger', lines.toString().split('\n').length - 1))
  stranger.stderr.on('data', (lines: Buffer) => stage.timeline.note(`stranger: ${lines.toString().trim()}`))
  await once(stranger, 'close')
}

/** Which line is hurt in which way is dealt out, so that none is left out for long. */
export function faultsOf(random: Random): Readonly<Record<FaultName, Fault>> {
  const network = hurtLines(random)
  return {
    gateway: killed('gateway'),
    operations: killed('operations'),
    requirements: killed('requirements'),
    several: killed('several'),
    host,
    backend,
    'server-stop': serverStop,
    'server-backend': serverBackend,
    broker,
    'broker-back': brokerBack,
    brokers,
    site,
    freeze,
    redis,
    storm,
    'server-disk': serverDisk,
    'broker-disk': brokerDisk,
    backup: backUp,
    'network-callers': network('callers'),
    'network-gateway': network('gateway'),
    'network-postgres': network('postgres'),
    'network-kafka': network('kafka'),
    'network-redis': network('redis'),
  }
}
