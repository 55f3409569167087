import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { addToken, newToken } from '@rondo/runtime'
import type { Replicated } from '@rondo/testkit/launch'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { z } from 'zod'
import { type Place, placesOf, ServiceProcess, type Spawn } from '../rig/processes.ts'
import type { Gateway } from './edge.ts'
import { type Spares, severalServices } from './spares.ts'
import type { Timeline } from './timeline.ts'

/** Two of each that callers reach; what is not looked at alone runs in one process. */
export const members = ['operations', 'requirements', 'several', 'operations', 'requirements', 'gateway', 'gateway'] as const
const replicas = 2
const linesKept = 2000
/** Milliseconds after which a process that was killed should be back, on a busy machine too. */
const startMost = 180_000

export interface Fell {
  readonly name: string
  readonly log: readonly string[]
}

/** What a supervisor knows of them. */
interface Engines {
  /** Who is started while nobody can be there is a core's second for nothing; an engine that is hurt otherwise is met all the same. */
  worthTrying(): boolean
}

interface MemberParts {
  readonly env: Readonly<Record<string, string>>
  readonly spawn: Spawn
  readonly fell: (one: Fell) => void
  readonly timeline: Timeline
  readonly engines: Engines
}

/** A process that is started again whenever it ends. */
export class Member {
  readonly name: string
  readonly service: Place['service']
  /** Which of its kind: gateway n sends to the nth of each service. */
  readonly replica: number
  readonly process: ServiceProcess
  /** Neither killed just now nor still starting nor frozen. */
  up = true
  /** One of its service is to stand still and the other to take over: neither is to be killed meanwhile. */
  needed = false
  /** Seconds that each start took until callers were answered. */
  readonly starts: number[] = []
  #stopping = false
  #restarting: Promise<void> | undefined
  readonly #around: MemberParts

  constructor(place: Place, replica: number, around: MemberParts) {
    this.service = place.service
    this.replica = replica
    this.name = `${place.service}-${replica}`
    this.process = new ServiceProcess(place, around.env, [], around.spawn)
    this.#around = around
  }

  async kill(): Promise<void> {
    this.up = false
    await this.process.kill()
    this.#restart()
  }
  freeze(): void {
    this.up = false
    this.process.freeze()
  }
  thaw(): void {
    this.process.thaw()
    this.up = true
  }
  /** Looks whether it ended by itself. */
  look(): void {
    const { log } = this.process
    if (log.length > 2 * linesKept) log.splice(0, log.length - linesKept)
    if (!this.up || this.process.runs || this.#restarting) return
    this.up = false
    this.#around.fell({ name: this.name, log: log.slice(-20) })
    this.#restart()
  }
  async back(): Promise<void> {
    await this.#restarting
  }
  async end(): Promise<void> {
    this.#stopping = true
    await this.process.kill()
    await this.#restarting
  }

  #restart(): void {
    this.#restarting ??= this.#started().finally(() => {
      this.#restarting = undefined
    })
  }
  async #started(): Promise<void> {
    const begin = performance.now()
    // While an engine is down it ends with a sentence: as a supervisor would, it is started again
    while (!this.#stopping && performance.now() - begin < startMost) {
      if (!this.#around.engines.worthTrying()) {
        await pause(100)
        continue
      }
      try {
        await (this.process.runs ? this.process.ready(false) : this.process.start({ ready: false }))
        this.up = true
        this.starts.push((performance.now() - begin) / 1000)
        this.#around.timeline.note(`${this.name} is back after ${this.starts.at(-1)?.toFixed(1)} s`)
        return
      } catch {
        // Too slow, or ended: what it said is kept, and shown where it never comes back
        this.#around.timeline.note(`${this.name} has to start again: ${this.process.log.at(-1) ?? 'it said nothing'}`)
        await pause(300)
      }
    }
    if (!this.#stopping) this.#around.fell({ name: `${this.name} did not come back`, log: this.process.log.slice(-20) })
  }
}

const readinessAnswer = z.object({
  ready: z.boolean(),
  components: z.array(z.object({ name: z.string(), ready: z.boolean(), cause: z.string().optional(), fix: z.string().optional() })),
})

/** What a process says of itself. */
export const stateOf = async ({ process }: Member) =>
  readinessAnswer.parse(await (await fetch(`${process.url}/readyz`, { signal: AbortSignal.timeout(5000) })).json())

/** What each process says that is not well with it, a line each. */
export async function unwell({ members }: Pick<Fleet, 'members'>): Promise<readonly string[]> {
  const lines = members.map(async (member) => {
    try {
      const { components } = await stateOf(member)
      return components.flatMap(({ name, ready, cause }) => (ready ? [] : [`${member.name} says of ${name}: ${cause}`]))
    } catch (error) {
      return [`${member.name} does not answer: ${error instanceof Error ? error.message : String(error)}`]
    }
  })
  return (await Promise.all(lines)).flat()
}

/** What the processes have logged last, a file each. */
export async function keepLogs({ members }: Pick<Fleet, 'members'>, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await Promise.all(members.map(({ name, process: { log } }) => writeFile(join(folder, `${name}.log`), `${log.join('\n')}\n`)))
}

export interface Fleet {
  readonly members: readonly Member[]
  readonly gateways: readonly Gateway[]
  /** May do all that the load does. */
  readonly token: string
  /** Processes that ended by themselves, although nobody killed them. */
  readonly fell: readonly Fell[]
  /** All run again. */
  back(): Promise<void>
  end(): Promise<void>
}

/** `host:port` where somebody is reached, by a name: as it is, or through a line that can be hurt. */
type Reach = (name: string, address: string) => Promise<string>

export const reachThrough =
  (network: Replicated['network']): Reach =>
  async (name, address) =>
    'missing' in network ? address : (await network.line(name, address)).address

/** A line of its own to PostgreSQL; where a gateway finds the services. */
async function envOf(
  places: readonly Place[],
  index: number,
  replica: number,
  { database, reach }: Pick<Surroundings, 'database' | 'reach'>,
): Promise<Readonly<Record<string, string>>> {
  const url = new URL(database)
  url.host = await reach(`postgres-${places[index]?.service}-${replica}`, url.host)
  const own = { RONDO_DATABASE_URL: url.href }
  if (places[index]?.service !== 'gateway') return own
  const addressed = async (service: string, host: Place['service'], which: number) => {
    const port = places.filter((one) => one.service === host)[which]?.grpc
    return [`RONDO_${service.toUpperCase()}_ADDRESS`, await reach(`gateway-${replica}-${service}`, `127.0.0.1:${port}`)] as const
  }
  const alone = [addressed('operations', 'operations', replica), addressed('requirements', 'requirements', replica)]
  const all = await Promise.all([...alone, ...severalServices.map((name) => addressed(name, 'several', 0))])
  return { ...own, ...Object.fromEntries(all) }
}

const reached = async ({ name, process: { url, grpc } }: Member, reach: Reach): Promise<Gateway> => ({
  url: `http://${await reach(`callers-${name}-http`, new URL(url).host)}`,
  grpc: await reach(`callers-${name}-grpc`, grpc),
})

/** What the processes find around them. */
interface Surroundings {
  /** The owner's URL. */
  readonly database: string
  readonly kafka: readonly string[]
  readonly redis: string
  readonly reach: Reach
  readonly spares: Spares
  readonly timeline: Timeline
  readonly engines: Engines
}

/** Starts all, one kind after the other, so that two do not migrate one schema at once on a cold machine. */
export async function startFleet(around: Surroundings): Promise<Fleet> {
  const { reach, timeline, spares, engines } = around
  const dataDir = temporaryFolder('chaos')
  const token = newToken()
  await addToken(join(dataDir, 'tokens.json'), token, { actor: 'person:chaos', roles: ['admin'] })
  const places = await placesOf(members)
  const common = {
    RONDO_KAFKA_BROKERS: around.kafka.join(),
    RONDO_REDIS_URL: around.redis,
    RONDO_DATA_DIR: dataDir,
    RONDO_RATE_LIMIT: '100000',
    RONDO_LOG_LEVEL: 'warn',
  }
  const fell: Fell[] = []
  const all: Member[] = []
  const counts = new Map<string, number>()
  const end = async () => {
    clearInterval(looking)
    spares.end()
    await Promise.all(all.map((one) => one.end()))
    await rm(dataDir, { recursive: true, force: true })
  }
  const looking = setInterval(() => {
    for (const one of all) one.look()
  }, 250)
  try {
    for (const [index, place] of places.entries()) {
      const replica = counts.get(place.service) ?? 0
      counts.set(place.service, replica + 1)
      const env = { ...common, ...(await envOf(places, index, replica, around)) }
      all.push(new Member(place, replica, { env, spawn: spares.take, fell: (one) => fell.push(one), timeline, engines }))
    }
    for (const one of all) await one.process.ready(false)
    for (const one of all) await one.process.ready()
    spares.refill()
  } catch (error) {
    await end()
    throw error
  }
  const gateways = await Promise.all(all.filter(({ service }) => service === 'gateway').map((one) => reached(one, reach)))
  if (gateways.length !== replicas) throw new RangeError(`${gateways.length} gateways were started`)
  return { members: all, gateways, token, fell, back: async () => void (await Promise.all(all.map((one) => one.back()))), end }
}
