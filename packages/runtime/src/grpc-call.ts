import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  UntypedHandleCall,
} from '@grpc/grpc-js'
import { trace } from '@opentelemetry/api'
import { DomainError } from '@rondo/kernel'
import { unlessAborted } from './abort.ts'
import { decode, type Method } from './grpc-definition.ts'
import type { Host } from './host.ts'
import type { Metrics } from './metrics.ts'
import { messageIdOf, parseRequest } from './request.ts'
import { type CallContext, runAsk, runStream } from './row.ts'
import type { AnyRow, Caller, Received } from './service.ts'
import { toStatus } from './status.ts'
import { checkRole } from './tokens.ts'

/** One method with what answers it. */
export interface Endpoint {
  readonly method: Method
  readonly row: AnyRow
  readonly host: Host
  readonly metrics: Metrics
}

interface Call {
  readonly metadata: Metadata
  readonly cancelled: boolean
  once(event: 'cancelled', listener: () => void): unknown
}
export interface Writable extends Call {
  write(value: object): boolean
  once(event: string, listener: () => void): unknown
  removeListener(event: string, listener: () => void): unknown
  end(): void
  emit(event: 'error', status: object): boolean
}

const text = (metadata: Metadata, name: string): string | undefined => metadata.get(name)[0]?.toString()

/** A refusal as it is; anything else is a defect: logged, and told by its trace id only. */
function refusalOf(error: unknown, { method, host }: Endpoint): DomainError {
  if (error instanceof DomainError) return error
  const traceId = trace.getActiveSpan()?.spanContext().traceId
  host.log.error({ err: error, method: method.name }, 'a call failed by a defect')
  return new DomainError('internal', `a defect in Rondo; the log has it${traceId ? ` under trace id ${traceId}` : ''}`)
}

async function callerOf({ host, row, method }: Endpoint, call: Call): Promise<Caller> {
  const authorization = text(call.metadata, 'authorization')
  if ('open' in row && row.open) return { actor: 'service:anybody', roles: [], authorization }
  const caller = await host.tokens.callerOf(authorization)
  checkRole(caller, row.roles, method.name)
  return { ...caller, authorization }
}

const requestOf = ({ row, method }: Endpoint, bytes: Buffer): unknown => parseRequest(row.request, decode(method.request, bytes))

async function answered(endpoint: Endpoint, request: unknown, context: CallContext): Promise<unknown> {
  const { row, host } = endpoint
  if ('ask' in row) return runAsk(row, request, host.ledger, context)
  if ('query' in row) return row.query(request, host.ledger.read, context.caller)
  if ('call' in row) return row.call(request, host, context.caller)
  throw new TypeError(`${endpoint.method.name} is no unary row`)
}

/** Measures a call and says how it ended. */
async function measured(endpoint: Endpoint, work: () => Promise<void>): Promise<DomainError | undefined> {
  const { method, metrics } = endpoint
  const start = performance.now()
  let refusal: DomainError | undefined
  try {
    await work()
  } catch (error) {
    refusal = refusalOf(error, endpoint)
    metrics.refusals.add(1, { code: refusal.code, 'rpc.method': method.name })
  }
  metrics.rpc.record((performance.now() - start) / 1000, { 'rpc.method': method.name, code: refusal?.code ?? 'ok' })
  return refusal
}

const unary =
  (endpoint: Endpoint): handleUnaryCall<Buffer, object> =>
  async (call, callback) => {
    let answer: unknown
    const refusal = await measured(endpoint, async () => {
      const caller = await callerOf(endpoint, call)
      const messageId = messageIdOf(text(call.metadata, 'x-rondo-message-id'))
      const request = requestOf(endpoint, call.request)
      // Past its deadline nobody waits for the answer: what was not begun is left alone.
      if (call.cancelled) throw new DomainError('timed_out', 'the deadline passed before the work began')
      answer = await answered(endpoint, request, { method: endpoint.method.name, caller, messageId })
    })
    if (refusal) callback(toStatus(refusal))
    else callback(null, answer as object)
  }

/** Until the peer has taken what was written, or is gone. */
const drained = (call: Writable, gone: AbortSignal): Promise<void> =>
  unlessAborted(gone, (done) => {
    call.once('drain', done)
    return () => call.removeListener('drain', done)
  })

/** Writes no faster than the peer reads. */
export async function pump(call: Writable, answers: AsyncIterable<unknown>, gone: AbortSignal): Promise<void> {
  for await (const answer of answers) {
    if (gone.aborted) return
    if (!call.write(answer as object)) await drained(call, gone)
  }
}

export function goneOf(call: Call): AbortSignal {
  const gone = new AbortController()
  if (call.cancelled) gone.abort()
  call.once('cancelled', () => gone.abort())
  return gone.signal
}

async function streamed(endpoint: Endpoint, call: Writable, answers: (caller: Caller, signal: AbortSignal) => AsyncIterable<unknown>) {
  const gone = goneOf(call)
  const { stopping } = endpoint.host
  const refusal = await measured(endpoint, async () => {
    const caller = await callerOf(endpoint, call)
    await pump(call, answers(caller, AbortSignal.any([gone, stopping])), gone)
    if (stopping.aborted) throw new DomainError('unavailable', 'the server stops; go on from the last cursor')
  })
  if (refusal) call.emit('error', toStatus(refusal))
  else call.end()
}

const serverStream =
  (endpoint: Endpoint): handleServerStreamingCall<Buffer, object> =>
  (call) =>
    void streamed(endpoint, call, (caller, signal) => {
      const { row, host } = endpoint
      const request = requestOf(endpoint, call.request)
      if ('follow' in row) return runStream(row, request, host.ledger, signal)
      if ('subscribe' in row) return row.subscribe(request, host, caller, signal)
      throw new TypeError(`${endpoint.method.name} is no server stream`)
    })

/** Item by item: what is refused does not end the stream. */
async function* received(endpoint: Endpoint, call: ServerDuplexStream<Buffer, object>): AsyncGenerator<Received<unknown>> {
  for await (const bytes of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    try {
      yield { request: requestOf(endpoint, bytes) }
    } catch (error) {
      const { code, message, details } = refusalOf(error, endpoint)
      yield { refusal: { code, message, path: details.path ?? '' } }
    }
  }
}

const duplex =
  (endpoint: Endpoint): handleBidiStreamingCall<Buffer, object> =>
  (call) =>
    void streamed(endpoint, call, (caller) => {
      const { row, host } = endpoint
      if (!('duplex' in row)) throw new TypeError(`${endpoint.method.name} is no stream both ways`)
      return row.duplex(received(endpoint, call), host, caller)
    })

/** What the proto says of a method's streams, and which rows fit. */
export function handlerOf(endpoint: Endpoint): UntypedHandleCall {
  const { method, row } = endpoint
  const kind = 'follow' in row || 'subscribe' in row ? serverStream : 'duplex' in row ? duplex : unary
  const fits =
    kind === unary ? !method.clientStreams && !method.serverStreams : method.serverStreams && method.clientStreams === (kind === duplex)
  if (!fits) throw new TypeError(`${method.name}: the proto's streams are others than those of its row`)
  return kind(endpoint)
}
