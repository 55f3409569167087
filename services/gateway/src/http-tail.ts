import { parseInstant, refuse } from '@rondo/kernel'
import { type Host, serviceNames } from '@rondo/runtime'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { stream } from './calls.ts'
import { callerOf } from './http-intake.ts'
import { lastEventId, type ServerSentEvent, sendEvents } from './sse.ts'

/** Where each ledger was left; opaque outside. */
type Cursors = Readonly<Record<string, string>>
const cursors = z.record(z.string(), z.string())

const encode = (at: Cursors): string => Buffer.from(JSON.stringify(at)).toString('base64url')
function decode(text: string): Cursors {
  if (!text) return {}
  try {
    return cursors.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
  } catch {
    // Whatever is wrong with it, the client can only begin anew
    return refuse('invalid', 'cursor: expected the id of an event of this stream', { path: 'cursor' })
  }
}

/** Takes what comes first from any of the sources; a slow reader slows all of them. */
async function* merged<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  const next = async (index: number) => ({
    index,
    step: await (iterators[index]?.next() ?? Promise.resolve({ done: true as const, value: undefined })),
  })
  const waiting = new Map(iterators.map((_, index) => [index, next(index)]))
  try {
    while (waiting.size > 0) {
      const { index, step } = await Promise.race(waiting.values())
      if (step.done) waiting.delete(index)
      else {
        yield step.value
        waiting.set(index, next(index))
      }
    }
  } finally {
    for (const iterator of iterators) void iterator.return?.()
  }
}

function wantedOf(request: FastifyRequest) {
  const { service, since } = request.query as { service?: string; since?: string }
  if (service && !serviceNames.some((name) => name === service))
    refuse('invalid', `service: "${service}" is none of ${serviceNames.join(', ')}`, { path: 'service' })
  const from = since ? (parseInstant(since) ?? refuse('invalid', `since: "${since}" is no RFC 3339 time`, { path: 'since' })) : undefined
  return { services: service ? [service] : serviceNames, since: from, cursor: decode(lastEventId(request)) }
}

async function* tail(
  host: Host,
  { services, since, cursor }: ReturnType<typeof wantedOf>,
  authorization: string | undefined,
  gone: AbortSignal,
): AsyncGenerator<ServerSentEvent> {
  let at = cursor
  const sources = services.map((service) =>
    stream(
      host,
      service,
      'rondo.ledger.v1.Ledger/Tail',
      { service, cursor: cursor[service] ?? (since ? 'start' : ''), types: [], until_head: false },
      { authorization, signal: gone },
    ),
  )
  for await (const { event, cursor: next } of merged(sources)) {
    if (!event) continue
    at = { ...at, [event.service]: next }
    if (!since || event.recorded_at >= since) yield { id: encode(at), event: event.type, data: event }
  }
}

/** `GET /v1/tail`: all events of all services as they are recorded. */
export function tailRoutes(app: FastifyInstance, host: Host): void {
  app.get('/v1/tail', async (request, reply) => {
    await callerOf(host, request, ['developer', 'approver', 'operator', 'product_owner', 'auditor'])
    const wanted = wantedOf(request)
    await sendEvents(host, request, reply, (gone) => tail(host, wanted, request.headers.authorization, gone))
  })
}
