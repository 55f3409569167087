import { type DomainError, errorCodes, refuse } from '@rondo/kernel'
import { type Host, serviceNames } from '@rondo/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import protobuf from 'protobufjs'
import { parseJson } from './json.ts'
import { toMessage } from './message-json.ts'
import { refusalOf, sayWhen } from './problem.ts'

/** The Connect protocol's HTTP status of a gRPC status. */
const connectStatus: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
}

/** An error as Connect writes it; Rondo's own code and where stand in the details. */
export function connectError(reply: FastifyReply, refusal: DomainError): FastifyReply {
  const { code, message, details } = refusal
  const { grpc } = errorCodes[code]
  const { path, phase, missing } = details
  const debug = {
    code,
    ...(path === undefined ? {} : { path }),
    ...(phase === undefined ? {} : { phase }),
    ...(missing === undefined ? {} : { missing }),
  }
  return sayWhen(reply, refusal)
    .code(connectStatus[grpc] ?? 500)
    .type('application/json')
    .send(JSON.stringify({ code: grpc.toLowerCase(), message, details: [{ type: 'google.rpc.ErrorInfo', debug }] }))
}

function methodOf(host: Host, service: string, name: string): protobuf.Method {
  const found = host.protos.lookup(service, [protobuf.Service])
  const method = found instanceof protobuf.Service ? found.methods[name] : undefined
  if (!method) return refuse('not_found', `there is no ${service}/${name}; the reference lists all`, { path: '' })
  if (method.requestStream || method.responseStream) return refuse('unsupported', `${service}/${name} streams: call it over gRPC`)
  return method.resolve() as protobuf.Method
}

/** `connect-timeout-ms`, at most a minute; 30 s without it. */
function deadlineOf(request: FastifyRequest): number {
  const text = request.headers['connect-timeout-ms']
  const ms = typeof text === 'string' && /^\d{1,10}$/.test(text) ? Number(text) : 30_000
  return Math.min(ms, 60_000)
}

/** The edge answers for what is its own: intake, people, loops. A ledger is asked where its service runs. */
const ownerOf = (fullName: string, { service }: Readonly<Record<string, unknown>>): string => {
  const [, name = ''] = fullName.split('.')
  if (name === 'ledger') return serviceNames.find((one) => one === service) ?? 'gateway'
  return name === 'intake' ? 'gateway' : name
}

async function call(
  host: Host,
  request: FastifyRequest<{ Params: { service: string; method: string } }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { service, method: name } = request.params
  const method = methodOf(host, service, name)
  const type = String(request.headers['content-type'] ?? '')
  if (!type.startsWith('application/json'))
    refuse('invalid', `content-type: application/json was expected, not "${type}"`, { path: 'content-type' })
  const requestType = method.resolvedRequestType
  if (!requestType) throw new TypeError(`${service}/${name} is not resolved`)
  const message = toMessage(requestType, parseJson(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)))
  const messageId = request.headers['x-rondo-message-id']
  const response = await host.channels.call(ownerOf(service, message), `${service}/${name}`, message, {
    authorization: request.headers.authorization,
    ...(typeof messageId === 'string' ? { messageId } : {}),
    timeoutMs: deadlineOf(request),
  })
  return reply.code(200).type('application/json').send(JSON.stringify(response))
}

/** Every unary RPC as JSON: `POST /rondo.<service>.v1.<Service>/<Method>`. */
export function rpcRoutes(app: FastifyInstance, host: Host): void {
  app.post<{ Params: { service: string; method: string } }>('/:service(^rondo\\..*)/:method', {
    handler: (request, reply) => call(host, request, reply),
    errorHandler: (error, _, reply) => connectError(reply, refusalOf(error)),
  })
}
