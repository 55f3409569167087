import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Kafka, logLevel } from 'kafkajs'

/*
 * The edge by hand: takes a body of JSON over HTTP, answers 202 when all replicas have it, and does nothing else. A process of its own, as
 * the edge that it is compared with.
 */

const topic = process.env.BENCH_TOPIC ?? ''
const brokers = (process.env.RONDO_KAFKA_BROKERS ?? '').split(',')
const producer = new Kafka({ clientId: 'bare-edge', brokers, logLevel: logLevel.ERROR }).producer({ allowAutoTopicCreation: false })

async function take(request: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const value = JSON.stringify(JSON.parse(Buffer.concat(chunks).toString()))
  await producer.send({ topic, acks: -1, messages: [{ key: String(request.headers['x-key'] ?? ''), value }] })
}

await producer.connect()
const server = createServer((request, response) => {
  take(request).then(
    () => response.writeHead(202).end('{}'),
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
})
server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
