import type { ServerResponse } from 'node:http'
import { DomainError, refuse } from '@rondo/kernel'
import type { SubscribeResponse } from '@rondo/proto/feedback'
import type { Host } from '@rondo/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from './http-intake.ts'

/** Milliseconds between two comments that keep proxies from closing a quiet stream. */
const heartbeatMs = 15_000
const filters = new Set(['service', 'kind', 'requirement', 'from', 'cursor'])

const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : typeof value === 'string' && value ? value.split(',') : [])
const one = (value: unknown): string => (typeof value === 'string' ? value : '')

/** What the client wants: by its query, and where it goes on by `Last-Event-ID` (a browser sends it by itself) or `cursor`. */
function subscriptionOf(request: FastifyRequest) {
  const query = request.query as Record<string, unknown>
  const unknown = Object.keys(query).filter((name) => !filters.has(name))
  if (unknown.length > 0) refuse('invalid', `${unknown.join(', ')}: no such filter; there are ${[...filters].join(', ')}`, { path: unknown[0] ?? '' })
  const last = request.headers['last-event-id']
  return {
    service: one(query['service']),
    kinds: list(query['kind']),
    requirement_id: one(query['requirement']),
    cursor: typeof last === 'string' && last ? last : one(query['cursor']),
    from: one(query['from']),
  }
}

const oneLine = (text: string) => text.replaceAll(/[\r\n]+/g, ' ')
const eventOf = (entry: SubscribeResponse): string => `id: ${oneLine(entry.cursor)}\nevent: ${oneLine(entry.kind)}\ndata: ${JSON.stringify(entry)}\n\n`

async function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve)
  gone.addEventListener('abort', () => resolve(), { once: true })
  await promise
}

/** Writes no faster than the client reads. */
async function pump(response: ServerResponse, entries: AsyncIterable<SubscribeResponse>, gone: AbortSignal): Promise<void> {
  for await (const entry of entries) {
    if (gone.aborted) return
    if (!response.write(eventOf(entry))) await drained(response, gone)
  }
}

/** A refusal after the stream has begun is an event too: the client must not try the same again for ever. */
const failure = (error: unknown): string => {
  const { code, message } = error instanceof DomainError ? error : { code: 'unavailable', message: 'the stream ended; go on from the last id' }
  return `event: error\ndata: ${JSON.stringify({ code, message })}\n\n`
}

async function stream(host: Host, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  await callerOf(host, request, ['product_owner', 'operator', 'developer', 'auditor'])
  const subscription = subscriptionOf(request)
  const closed = new AbortController()
  request.raw.once('close', () => closed.abort())
  const gone = AbortSignal.any([closed.signal, host.stopping])
  const entries = host.channels.stream('feedback', 'rondo.feedback.v1.Feedback/Subscribe', subscription, {
    authorization: request.headers.authorization,
    signal: gone,
  }) as AsyncIterable<SubscribeResponse>
  reply.hijack()
  const response = reply.raw
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  response.write('retry: 2000\n\n')
  const heartbeat = setInterval(() => response.write(': still here\n\n'), heartbeatMs)
  try {
    await pump(response, entries, gone)
  } catch (error) {
    host.log.info({ err: error }, 'a feedback stream ended')
    if (!closed.signal.aborted) response.write(failure(error))
  } finally {
    clearInterval(heartbeat)
    response.end()
  }
}

/** `GET /v1/feedback/stream`: server-sent events. */
export function feedbackRoutes(app: FastifyInstance, host: Host): void {
  app.get('/v1/feedback/stream', (request, reply) => stream(host, request, reply))
}
