import { randomUUID } from 'node:crypto'
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { adaptEmitted } from '@rondo/gateway/adapters/emitted'
import { toInstant } from '@rondo/kernel'
import { loading, protoFiles, protoFolder } from '@rondo/proto'
import type { EmitBatchRequest, EmitBatchResponse, EmitRequest, EmitResponse, EmitStreamResponse, Event, Result } from '@rondo/proto/intake'
import { Kafka, logLevel, type Message, Partitioners } from 'kafkajs'

/*
 * The control of the intake: a handler as one writes it by hand with the same libraries. It parses, holds each event to the gateway's
 * own schema, and gathers what comes while a produce is under way into the next one. No tokens, no look for duplicates, no spans.
 */

const topic = process.env.BENCH_TOPIC ?? ''
const most = 5000
/** Items of one stream on their way at the same time. */
const window = 512

const kafka = new Kafka({ brokers: (process.env.RONDO_KAFKA_BROKERS ?? '').split(','), clientId: 'bare', logLevel: logLevel.NOTHING })
const producer = kafka.producer({
  idempotent: true,
  maxInFlightRequests: 1,
  allowAutoTopicCreation: false,
  createPartitioner: Partitioners.DefaultPartitioner,
})

let waiting: (PromiseWithResolvers<void> & { readonly message: Message })[] = []
let working = false

async function work(): Promise<void> {
  working = true
  while (waiting.length > 0) {
    const taken = waiting.slice(0, most)
    waiting = waiting.slice(most)
    try {
      await producer.send({ topic, acks: -1, messages: taken.map(({ message }) => message) })
      for (const one of taken) one.resolve()
    } catch (error) {
      for (const one of taken) one.reject(error)
    }
  }
  working = false
}

function produce(message: Message): Promise<void> {
  const one = { message, ...Promise.withResolvers<void>() }
  waiting.push(one)
  if (!working) void work()
  return one.promise
}

async function take(event: Event): Promise<Result> {
  const { source, id, at, subject, fact } = adaptEmitted(event, () => undefined, toInstant(new Date()))
  const eventId = randomUUID()
  await produce({
    key: eventId,
    value: JSON.stringify(fact.data),
    headers: {
      ce_specversion: '1.0',
      ce_id: eventId,
      ce_source: source,
      ce_type: fact.type,
      ce_subject: subject,
      ce_time: at,
      ce_given: id,
    },
  })
  return { event_id: eventId, status: 'accepted', receipt: `/v1/receipts/${eventId}`, code: '', path: '', message: '' }
}

const given = (event: Event | null): Event => {
  if (!event) throw new Error('an event was expected')
  return event
}

const Emit: handleUnaryCall<EmitRequest, EmitResponse> = ({ request }, callback) => {
  const answer = async () => ({ result: await take(given(request.event)) })
  answer().then((response) => callback(null, response), callback)
}

const EmitBatch: handleUnaryCall<EmitBatchRequest, EmitBatchResponse> = ({ request }, callback) => {
  Promise.all(request.events.map(take)).then((results) => callback(null, { results: [...results] }), callback)
}

const EmitStream: handleBidiStreamingCall<EmitRequest, EmitStreamResponse> = (call) => {
  let last: Promise<unknown> = Promise.resolve()
  let index = 0
  let open = 0
  call.on('data', ({ event }: EmitRequest) => {
    const place = String(index++)
    const taken = take(given(event))
    if (++open >= window) call.pause()
    last = Promise.all([last, taken]).then(([, result]) => {
      call.write({ index: place, result })
      if (--open < window) call.resume()
    })
    last.catch((error: unknown) => call.emit('error', error))
  })
  call.on('end', () => void last.then(() => call.end()))
}

async function main(): Promise<void> {
  await producer.connect()
  const definitions = loadSync([...protoFiles()], { ...loading, includeDirs: [protoFolder] })
  const server = new Server({ 'grpc.max_receive_message_length': 16 << 20 })
  const handlers: UntypedServiceImplementation = { Emit, EmitBatch, EmitStream }
  server.addService(definitions['rondo.intake.v1.Intake'] as ServiceDefinition, handlers)
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error
    process.send?.(port)
  })
}

await main()
