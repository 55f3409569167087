import { join } from 'node:path'
import { type Bus, kafkaBus, migrateBus, postgresBus } from '@rondo/bus'
import { intakeTopic, topicOf } from '@rondo/contracts/cloudevents'
import { type LedgerOptions, migrate, type OpenLedger, openLedger } from '@rondo/ledger'
import { type Config, serviceNames } from './config.ts'
import { ownRole, serviceDatabase } from './database-url.ts'
import type { Logger } from './log.ts'
import type { Service } from './service.ts'
import { busError, databaseError, StartError } from './start-error.ts'

const days = 24 * 60 * 60 * 1000
/** Intake has no ledger behind it: longer than any consumer is down. */
const intakeRetentionMs = 30 * days

/** The topics of Rondo, and of the services of this process. */
export const topicsOf = (services: readonly Service[], partitions: number) => [
  { name: intakeTopic, partitions, retentionMs: intakeRetentionMs },
  ...[...new Set([...serviceNames, ...services.map(({ name }) => name)])].map((name) => ({
    name: topicOf(name),
    partitions,
    retentionMs: -1,
  })),
]

/** Kafka where brokers are named, else the bus on PostgreSQL; its topics are there when it resolves. */
export async function openBus(
  services: readonly Service[],
  { kafkaBrokers, databaseUrl, partitions, listenHost }: Config,
  log: Logger,
): Promise<Bus> {
  const write = (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object) => log[level](fields, message)
  const what = kafkaBrokers
    ? { name: `Kafka at ${kafkaBrokers.join(',')}`, variable: 'RONDO_KAFKA_BROKERS' }
    : { name: 'the bus on PostgreSQL', variable: 'RONDO_DATABASE_URL' }
  let bus: Bus | undefined
  try {
    if (kafkaBrokers)
      bus = kafkaBus({ brokers: kafkaBrokers, clientId: `rondo ${services.map(({ name }) => name).join('+')} ${listenHost}`, log: write })
    else {
      if (!databaseUrl)
        throw new StartError('the services need a bus: set RONDO_KAFKA_BROKERS, or RONDO_DATABASE_URL for the bus on PostgreSQL')
      const { url, role, password } = ownRole(databaseUrl, 'bus')
      await migrateBus(databaseUrl, { role, ...(password === undefined ? {} : { password }) })
      bus = postgresBus({ url, log: write })
    }
    await bus.ensure(topicsOf(services, partitions))
    return bus
  } catch (error) {
    await bus?.close()
    throw error instanceof StartError ? error : busError(what.name, what.variable, error)
  }
}

/** Roles belong to the whole server: a migration of another database may change the same one at this moment. */
async function atRest(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries === 5 || !(error instanceof Error && 'code' in error && error.code === 'XX000')) throw error
    }
  }
}

/** Makes in an empty database the tables that another one has, by the migrations that were applied there and no others. Owners' URLs. */
export async function makeSameTables(services: readonly Service[], asIn: string, url: string): Promise<void> {
  const as = (name: string) => {
    const { role, password } = ownRole(url, name)
    return { role, asIn, ...(password === undefined ? {} : { password }) }
  }
  for (const { name, migrations } of services) await migrate(url, { service: name, ...as(name), ...(migrations ? { migrations } : {}) })
  await migrateBus(url, as('bus'))
}

/** Migrates (where the owner's address is known) and opens a service's ledger with a role of its own. */
export async function openServiceLedger(
  { name, streams, views, migrations }: Service,
  config: Config,
  log: Logger,
  options: Pick<LedgerOptions, 'onBatch' | 'record' | 'clock' | 'way'> = {},
): Promise<OpenLedger> {
  const { url, role, password, variable } = serviceDatabase(config, name)
  const { databaseUrl } = config
  if (databaseUrl) {
    try {
      await atRest(() =>
        migrate(databaseUrl, {
          service: name,
          role,
          ...(password === undefined ? {} : { password }),
          ...(migrations ? { migrations } : {}),
          log,
        }),
      )
    } catch (error) {
      throw databaseError(databaseUrl, 'RONDO_DATABASE_URL', error)
    }
  }
  try {
    return await openLedger({
      ...options,
      service: name,
      streams,
      ...(views ? { views } : {}),
      database: url,
      partitions: config.partitions,
      log,
      archiveFolder: join(config.archiveDir ?? join(config.dataDir, 'archive'), name),
    })
  } catch (error) {
    throw databaseError(url, variable, error)
  }
}
