import { refuse } from '@rondo/kernel'
import type { Host } from '@rondo/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { stream as subscribe } from './calls.ts'
import { callerOf } from './http-intake.ts'
import { lastEventId, sendEvents, type ServerSentEvent } from './sse.ts'

const filters = new Set(['service', 'kind', 'requirement', 'from', 'cursor'])

const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : typeof value === 'string' && value ? value.split(',') : [])
const one = (value: unknown): string => (typeof value === 'string' ? value : '')

function subscriptionOf(request: FastifyRequest) {
  const query = request.query as Record<string, unknown>
  const unknown = Object.keys(query).filter((name) => !filters.has(name))
  if (unknown.length > 0) refuse('invalid', `${unknown.join(', ')}: no such filter; there are ${[...filters].join(', ')}`, { path: unknown[0] ?? '' })
  return { service: one(query['service']), kinds: list(query['kind']), requirement_id: one(query['requirement']), cursor: lastEventId(request), from: one(query['from']) }
}

async function* entries(host: Host, subscription: ReturnType<typeof subscriptionOf>, authorization: string | undefined, gone: AbortSignal): AsyncGenerator<ServerSentEvent> {
  for await (const entry of subscribe(host, 'feedback', 'rondo.feedback.v1.Feedback/Subscribe', subscription, { authorization, signal: gone }))
    yield { id: entry.cursor, event: entry.kind, data: entry }
}

/** `GET /v1/feedback/stream`: what production and customers say, and what became of it. */
export function feedbackRoutes(app: FastifyInstance, host: Host): void {
  app.get('/v1/feedback/stream', async (request: FastifyRequest, reply: FastifyReply) => {
    await callerOf(host, request, ['product_owner', 'operator', 'developer', 'auditor'])
    const subscription = subscriptionOf(request)
    await sendEvents(host, request, reply, (gone) => entries(host, subscription, request.headers.authorization, gone))
  })
}
