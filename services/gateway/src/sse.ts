import type { ServerResponse } from 'node:http'
import { DomainError } from '@rondo/kernel'
import { type Host, unlessAborted } from '@rondo/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Milliseconds between two comments that keep proxies from closing a quiet stream. */
const heartbeatMs = 15_000

export interface ServerSentEvent {
  /** Where the client goes on: it sends the last one back as `Last-Event-ID`. */
  readonly id: string
  readonly event: string
  readonly data: unknown
}

const oneLine = (text: string) => text.replaceAll(/[\r\n]+/g, ' ')
const written = ({ id, event, data }: ServerSentEvent): string =>
  `id: ${oneLine(id)}\nevent: ${oneLine(event)}\ndata: ${JSON.stringify(data)}\n\n`

const drained = (response: ServerResponse, gone: AbortSignal): Promise<void> =>
  unlessAborted(gone, (done) => {
    response.once('drain', done)
    return () => response.removeListener('drain', done)
  })

/** Writes no faster than the client reads. */
async function pump(response: ServerResponse, events: AsyncIterable<ServerSentEvent>, gone: AbortSignal): Promise<void> {
  for await (const event of events) {
    if (gone.aborted) return
    if (!response.write(written(event))) await drained(response, gone)
  }
}

/** A refusal after the stream has begun is an event too: the client must not try the same again for ever. */
const failure = (error: unknown): string => {
  const { code, message } =
    error instanceof DomainError ? error : { code: 'unavailable', message: 'the stream ended; go on from the last id' }
  return `event: error\ndata: ${JSON.stringify({ code, message })}\n\n`
}

/** Answers with a stream of events until either side ends it. */
export async function sendEvents(
  host: Host,
  request: FastifyRequest,
  reply: FastifyReply,
  open: (gone: AbortSignal) => AsyncIterable<ServerSentEvent>,
): Promise<void> {
  const closed = new AbortController()
  request.raw.once('close', () => closed.abort())
  const gone = AbortSignal.any([closed.signal, host.stopping])
  const events = open(gone)
  reply.hijack()
  const response = reply.raw
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  response.write('retry: 2000\n\n')
  const heartbeat = setInterval(() => response.write(': still here\n\n'), heartbeatMs)
  try {
    await pump(response, events, gone)
  } catch (error) {
    host.log.info({ err: error }, 'a stream of events ended')
    if (!closed.signal.aborted) response.write(failure(error))
  } finally {
    clearInterval(heartbeat)
    response.end()
  }
}

/** `Last-Event-ID`, which a browser sends by itself, before what the query says. */
export function lastEventId(request: FastifyRequest): string {
  const last = request.headers['last-event-id']
  const { cursor } = request.query as { cursor?: unknown }
  return typeof last === 'string' && last ? last : typeof cursor === 'string' ? cursor : ''
}
