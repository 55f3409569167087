import type { Span } from '@opentelemetry/api'
import { type Instrumentation, registerInstrumentations } from '@opentelemetry/instrumentation'
import { GrpcInstrumentation } from '@opentelemetry/instrumentation-grpc'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import { PinoInstrumentation } from '@opentelemetry/instrumentation-pino'
import { register } from 'import-in-the-middle/register-hooks.mjs'

/** Asked every few seconds by whatever watches the process. */
const watched = /^\/(healthz|readyz|metrics)(\?|$)/

/** Rondo's own span is called `send {topic}`: the client's below it is told apart. What is read goes through no consumer of the client's. */
function named(span: Span, { topic }: { topic: string }): void {
  span.updateName(`kafkajs send ${topic}`)
}

const instrumentations = (): Instrumentation[] => [
  new HttpInstrumentation({ ignoreIncomingRequestHook: ({ url }) => watched.test(url ?? ''), requireParentforOutgoingSpans: true }),
  new GrpcInstrumentation({ ignoreGrpcMethods: [/^grpc\./, /Health/] }),
  // Polling and leases would make a trace each.
  new PgInstrumentation({ requireParentSpan: true }),
  new IORedisInstrumentation({ requireParentSpan: true }),
  new KafkaJsInstrumentation({ producerHook: named }),
  new PinoInstrumentation(),
]

/** Has to run before the instrumented libraries are imported: they are CommonJS, and Rondo imports them from ES modules. */
export function instrument(): void {
  register({ include: ['pg', 'pg-pool', 'kafkajs', 'ioredis', '@grpc/grpc-js', 'pino', 'http', 'node:http', 'https', 'node:https'] })
  registerInstrumentations({ instrumentations: instrumentations() })
}
