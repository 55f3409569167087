import { refuse } from '@rondo/kernel'
import type { SubscribeRequest } from '@rondo/proto/feedback'
import { type Host, isBehind } from '@rondo/runtime'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import { stream } from './calls.ts'
import { type Feed, subscribed } from './feed.ts'
import { headOf, localLive } from './feed-live.ts'
import { sharedLive } from './feed-shared.ts'
import { callerOf } from './http-intake.ts'
import { lastEventId, type ServerSentEvent, sendEvents } from './sse.ts'

const filters = new Set(['service', 'kind', 'requirement', 'from', 'cursor'])

const list = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(String) : typeof value === 'string' && value ? value.split(',') : []
const one = (value: unknown): string => (typeof value === 'string' ? value : '')

function subscriptionOf(request: FastifyRequest): SubscribeRequest {
  const query = request.query as Record<string, unknown>
  const unknown = Object.keys(query).filter((name) => !filters.has(name))
  if (unknown.length > 0)
    refuse('invalid', `${unknown.join(', ')}: no such filter; there are ${[...filters].join(', ')}`, { path: unknown[0] ?? '' })
  return {
    service: one(query.service),
    kinds: list(query.kind),
    requirement_id: one(query.requirement),
    cursor: lastEventId(request),
    from: one(query.from),
    until_head: false,
  }
}

async function* events(feed: Feed, request: SubscribeRequest, gone: AbortSignal): AsyncGenerator<ServerSentEvent> {
  for await (const entry of subscribed(feed, request, gone)) yield { id: entry.cursor, event: entry.kind, data: entry }
}

/** `GET /v1/feedback/stream`: what production and customers say, and what became of it. */
export function feedbackRoutes(app: FastifyInstance, host: Host, redis: Redis | undefined): void {
  // The live side is read for all subscribers at once, in the name of whoever came last; each was let in by the own token
  let authorization: string | undefined
  const shared = redis ? sharedLive(host, redis, () => authorization) : undefined
  const live = shared ?? localLive(host, () => authorization)
  if (shared) app.addHook('onClose', async () => shared.close())

  app.get('/v1/feedback/stream', async (request, reply) => {
    await callerOf(host, request, ['product_owner', 'operator', 'developer', 'auditor'])
    const subscription = subscriptionOf(request)
    const own = request.headers.authorization
    authorization = own
    const feed: Feed = {
      live,
      head: () => headOf(host, own),
      isBehind,
      backlog: (wanted, signal) => stream(host, 'feedback', 'rondo.feedback.v1.Feedback/Subscribe', wanted, { authorization: own, signal }),
    }
    await sendEvents(host, request, reply, (gone) => events(feed, subscription, gone))
  })
}
