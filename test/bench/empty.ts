import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { loadProtos } from '@rondo/proto'
import { serviceNames } from '@rondo/runtime'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'

/*
 * The control of what Rondo costs when nothing happens: a process that has loaded the same libraries and is connected to the same engines,
 * for each service a connection and a listener to PostgreSQL and a consumer of Kafka, and does nothing with them.
 */

const fromRuntime = createRequire(join(repositoryRoot(), 'packages/runtime/package.json'))
/** One connection for statements, one that listens. */
async function connected(url: string): Promise<readonly pg.Client[]> {
  const clients = [new pg.Client(url), new pg.Client(url)]
  for (const client of clients) await client.connect()
  await clients[1]?.query('listen bench_nothing')
  return clients
}

async function consuming(kafka: Kafka, topic: string): Promise<void> {
  const consumer = kafka.consumer({
    groupId: `empty-${randomUUID()}`,
    sessionTimeout: 10_000,
    heartbeatInterval: 1000,
    maxWaitTimeInMs: 2000,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({ autoCommit: false, eachBatch: async () => undefined })
}

async function main(): Promise<void> {
  const { RONDO_DATABASE_URL: url = '', RONDO_KAFKA_BROKERS: brokers = '', BENCH_TOPIC: topic = '' } = process.env
  const kafka = new Kafka({ brokers: brokers.split(','), clientId: 'empty', logLevel: logLevel.NOTHING })
  await kafka.producer({ idempotent: true, maxInFlightRequests: 1 }).connect()
  const held = await Promise.all(serviceNames.map(() => connected(url)))
  for (const _ of serviceNames) await consuming(kafka, topic)
  const fastify = fromRuntime('fastify')
  const app = fastify()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const server = new Server()
  const protos = loadProtos()
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error) => {
    if (error) throw error
    process.send?.({ connections: held.length, protos: protos.nestedArray.length })
  })
}

await main()
