import { createRequire } from 'node:module'
import type * as Kafkajs from 'kafkajs'
import type { Log } from '../port.ts'

const require = createRequire(import.meta.url)

export type KafkaClient = Kafkajs.Kafka

export interface KafkaConnection {
  /** `host:port`, one or more. */
  readonly brokers: readonly string[]
  /** What the broker's logs and quotas call this process. */
  readonly clientId: string
  readonly ssl?: Kafkajs.KafkaConfig['ssl']
  readonly sasl?: Kafkajs.SASLOptions
}

/** Loaded when it is first used and by `require`, so that instrumentation registered before then sees it. */
export const kafkajs = (): typeof Kafkajs => require('kafkajs') as typeof Kafkajs

const levels = { 1: 'error', 2: 'warn', 4: 'info', 5: 'debug' } as const

export function createClient({ brokers, clientId, ssl, sasl }: KafkaConnection, log: Log): KafkaClient {
  const { Kafka, logLevel } = kafkajs()
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: 3000,
    requestTimeout: 15_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2000, retries: 6 },
    logLevel: logLevel.WARN,
    // The client's own errors are reported by what we were doing: its log is for whoever looks closer.
    logCreator:
      () =>
      ({ namespace, level, log: { message, timestamp: _, logger: __, ...fields } }) =>
        log(
          level === logLevel.NOTHING ? 'debug' : levels[level] === 'error' ? 'warn' : levels[level],
          `kafkajs ${namespace}: ${message}`,
          fields,
        ),
  })
}

/** The broker's own name of what went wrong, such as `MESSAGE_TOO_LARGE`, however deep the client wrapped it. */
export function protocolError(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('type' in at && typeof at.type === 'string') return at.type
  }
  return undefined
}
