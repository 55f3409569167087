import { request } from 'node:http'
import { GenericContainer, Wait } from 'testcontainers'
import { type EngineName, type Found, messageOf } from './engine.ts'
import { kafkaAnswers } from './local/kafka.ts'
import { postgresVersion } from './local/postgres.ts'
import { redisVersion } from './local/redis.ts'
import { freePorts } from './port.ts'

/** Undefined when a container engine answers, else why none can be used. */
export function containersMissing(dockerHost = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock'): Promise<string | undefined> {
  const { protocol, hostname, port, pathname } = new URL(dockerHost)
  const where = protocol === 'unix:' ? { socketPath: pathname } : { host: hostname, port }
  return new Promise((resolve) => {
    const ping = request({ ...where, path: '/_ping', timeout: 1000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200 ? undefined : `the container engine at ${dockerHost} answers ${response.statusCode}`)
    })
    ping.once('timeout', () => ping.destroy(new Error('no answer')))
    ping.once('error', (error) => resolve(`no container engine at ${dockerHost} (${messageOf(error)})`))
    ping.end()
  })
}

export interface Contained extends Found {
  stop(): Promise<void>
}

interface Image {
  readonly image: string
  readonly port: number
  env(port: number): Readonly<Record<string, string>>
  readonly command?: readonly string[]
  address(port: number): string
  version(address: string): Promise<string>
}

const postgresImage = (major: number): Image => ({
  image: `postgres:${major}`,
  port: 5432,
  env: () => ({ POSTGRES_USER: 'rondo', POSTGRES_HOST_AUTH_METHOD: 'trust', POSTGRES_INITDB_ARGS: '--encoding=UTF8 --locale=C' }),
  command: ['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=300'],
  address: (port) => `postgres://rondo@127.0.0.1:${port}/postgres`,
  version: postgresVersion,
})

const images: Readonly<Record<EngineName, Image>> = {
  kafka: {
    image: 'apache/kafka:4.4.0',
    port: 9092,
    // The broker tells clients its address: the outer port has to be known before it starts.
    env: (port) => ({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    }),
    address: (port) => `127.0.0.1:${port}`,
    version: async (address) => {
      await kafkaAnswers(address)
      return '4.4.0'
    },
  },
  postgres15: postgresImage(15),
  postgres18: postgresImage(18),
  redis: { image: 'redis:7', port: 6379, env: () => ({}), address: (port) => `redis://127.0.0.1:${port}`, version: redisVersion },
}

/** Starts the engine in a container; rejects when its image cannot be had. */
export async function startContainer(name: EngineName): Promise<Contained> {
  const { image, port, env, command, address, version } = images[name]
  const [host = 0] = await freePorts(1)
  const container = new GenericContainer(image)
    .withEnvironment({ ...env(host) })
    .withExposedPorts({ container: port, host })
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(120_000)
  const started = await (command === undefined ? container : container.withCommand([...command])).start()
  const found = address(host)
  return {
    address: found,
    version: await version(found),
    from: `container of ${image}`,
    stop: async () => {
      await started.stop()
    },
  }
}
