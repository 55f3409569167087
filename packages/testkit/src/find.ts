import { containersMissing, startContainer } from './container.ts'
import { type Engine, type EngineName, type Engines, engineNames, type Found, isMissing, messageOf } from './engine.ts'
import { eventually } from './eventually.ts'
import { howToGet, launchers } from './launch.ts'
import { kafkaAnswers } from './local/kafka.ts'
import { postgresVersion } from './local/postgres.ts'
import { redisVersion } from './local/redis.ts'

interface Lane {
  readonly variables: readonly string[]
  /** Rejects when the address does not answer. */
  version(address: string): Promise<string>
  /** Whether an engine of that version is what the name asks for. */
  suits(version: string): boolean
}

const kafkaVersion = async (brokers: string): Promise<string> => {
  await kafkaAnswers(brokers)
  return 'unknown'
}

const database = { variables: ['RONDO_TEST_DATABASE_URL', 'RONDO_DATABASE_URL'], version: postgresVersion }

const lanes: Readonly<Record<EngineName, Lane>> = {
  kafka: { variables: ['RONDO_TEST_KAFKA_BROKERS', 'RONDO_KAFKA_BROKERS'], version: kafkaVersion, suits: () => true },
  // One address can be only one of the two: 15 is the oldest that Rondo runs on, 18 stands for the newer ones.
  postgres15: { ...database, suits: (version) => version.startsWith('15') },
  postgres18: { ...database, suits: (version) => !version.startsWith('15') },
  redis: { variables: ['RONDO_TEST_REDIS_URL', 'RONDO_REDIS_URL'], version: redisVersion, suits: () => true },
}

/** The address that the environment names, if it names one that suits. One that does not answer within so many ms is not passed over in silence. */
export async function fromEnvironment(name: EngineName, env: NodeJS.ProcessEnv, within = 5000): Promise<Engine | undefined> {
  const { variables, version, suits } = lanes[name]
  const variable = variables.find((key) => (env[key] ?? '') !== '')
  const address = variable === undefined ? undefined : env[variable]
  if (variable === undefined || address === undefined) return undefined
  try {
    const found = await eventually(() => version(address), { within, every: 250 })
    return suits(found) ? { address, version: found, from: variable } : undefined
  } catch (error) {
    return {
      missing: `${variable} is set, but what it names does not answer (${messageOf(error)})`,
      howToGet: `start it, or unset ${variable}`,
    }
  }
}

export interface FoundEngines {
  readonly engines: Engines
  /** Stops what was started for this run. */
  stop(): Promise<void>
}

/** Each engine from the first that has it: the environment, a container engine, a process of this machine. */
export async function findEngines(runFolder: string, env: NodeJS.ProcessEnv = process.env): Promise<FoundEngines> {
  const stops: (() => Promise<void>)[] = []
  const noContainers = await containersMissing()

  const contained = async (name: EngineName): Promise<Found> => {
    const container = await startContainer(name)
    stops.push(() => container.stop())
    return { address: container.address, version: container.version, from: container.from }
  }

  const launched = async (name: EngineName): Promise<Found> => {
    const engine = await launchers[name](runFolder)
    stops.push(() => engine.stop())
    return { address: engine.address, version: engine.version, from: `process ${engine.pid}` }
  }

  const find = async (name: EngineName): Promise<Engine> => {
    const named = await fromEnvironment(name, env)
    if (named !== undefined) return named
    const reasons: string[] = noContainers === undefined ? [] : [noContainers]
    for (const lane of noContainers === undefined ? [contained, launched] : [launched]) {
      try {
        return await lane(name)
      } catch (error) {
        reasons.push(messageOf(error))
      }
    }
    return { missing: reasons.join('; '), howToGet: howToGet[name] }
  }

  const found = await Promise.all(engineNames.map(async (name) => [name, await find(name)] as const))
  return {
    engines: Object.fromEntries(found) as Record<EngineName, Engine>,
    stop: async () => {
      await Promise.all(stops.map((stop) => stop()))
    },
  }
}

/** What a run tells at its start. */
export const describeEngines = (engines: Engines): string =>
  engineNames
    .map((name) => {
      const engine = engines[name]
      return isMissing(engine) ? `${name} missing: ${engine.missing}; ${engine.howToGet}` : `${name} ${engine.version} (${engine.from})`
    })
    .join('\n')
