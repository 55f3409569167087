import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import type protobuf from 'protobufjs'
import { type Endpoint, handlerOf } from './grpc-call.ts'
import { type Method, maxMessageBytes, methodsOf, serviceDefinition } from './grpc-definition.ts'
import { type Gate, gateOf, type Passing } from './grpc-gate.ts'
import { ledgerService } from './ledger-rpc.ts'
import { addReflection } from './reflection.ts'
import { requestFaults } from './request-shape.ts'
import type { AnyRow, RpcTable } from './service.ts'
import { portError } from './start-error.ts'

export interface GrpcHost {
  /** One row for each method of the proto's service, or it throws. */
  add(fullName: string, table: RpcTable, endpoint: Omit<Endpoint, 'method' | 'row'>): void
  /** Handlers that are no rows (what is passed on to other processes). */
  addRaw(fullName: string, definition: ServiceDefinition, handlers: UntypedServiceImplementation): void
  /** The port it listens on. Rejects with a sentence where that one is taken. */
  listen(host: string, port: number): Promise<number>
  setServing(serving: boolean): void
  /** Takes no new calls, waits for those under way, and ends them at the deadline (milliseconds). */
  stop(deadlineMs: number): Promise<void>
}

const options = {
  // Somewhat above the limit, so that the refusal is ours and says how large the message was.
  'grpc.max_receive_message_length': 4 * maxMessageBytes,
  'grpc.max_send_message_length': 4 * maxMessageBytes,
  'grpc.keepalive_time_ms': 60_000,
  // What nobody reads costs each call
  'grpc.enable_channelz': 0,
}

function rowOf(table: RpcTable, fullName: string, name: string, { request }: Method): AnyRow {
  const row = table[name]
  if (!row) throw new TypeError(`${fullName} has no row for ${name}`)
  const faults = requestFaults(row.request, request)
  if (faults.length > 0) throw new TypeError(`the request of ${fullName}/${name} does not fit its proto: ${faults.join('; ')}`)
  return row
}

/** `gate`: what calls have to pass; health and reflection have not to. */
export function createGrpcHost(protos: protobuf.Root, gate: Gate): GrpcHost {
  const passings = new Map<string, Passing>()
  const { interceptor, ahead } = gateOf(gate, passings)
  const server = new Server({ ...options, interceptors: [interceptor] })
  // Not the library's to give: without it whoever is refused is told so by the interceptor, which costs twice as much
  // biome-ignore lint/complexity/useLiteralKeys: it is private in the library's types
  server['_streamHandler'] = ahead(server['_streamHandler'].bind(server))
  const health = new HealthImplementation({ '': 'NOT_SERVING' })
  health.addToServer(server)
  addReflection(server)
  const names = ['']

  return {
    add(fullName, table, endpoint) {
      const service = protos.lookupService(fullName)
      const methods = methodsOf(service)
      const extra = Object.keys(table).filter((name) => !methods.has(name))
      if (extra.length > 0) throw new TypeError(`${fullName} has rows that its proto does not know: ${extra.join(', ')}`)
      // What an operator asks of the ledgers is answered also when all else waits
      const bounded = fullName !== ledgerService
      const handlers = [...methods].map(([name, method]) => {
        passings.set(`/${method.name}`, { ...method, bounded })
        return [name, handlerOf({ ...endpoint, method, row: rowOf(table, fullName, name, method) })] as const
      })
      server.addService(serviceDefinition(service), Object.fromEntries(handlers))
      names.push(fullName)
    },
    addRaw(fullName, definition, handlers) {
      for (const [name, { path, requestStream, responseStream }] of Object.entries(definition)) {
        if (!handlers[name]) throw new TypeError(`${fullName} has no handler for ${name}`)
        passings.set(path, { name: path.slice(1), clientStreams: requestStream, serverStreams: responseStream, bounded: true })
      }
      server.addService(definition, handlers)
      names.push(fullName)
    },
    async listen(host, port) {
      const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(portError('gRPC', 'RONDO_GRPC_PORT', host, port, error)) : resolve(bound),
      )
      return promise
    },
    setServing(serving) {
      for (const name of names) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING')
    },
    async stop(deadlineMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // tryShutdown waits for ever for a peer that keeps its connection open.
      const timer = setTimeout(() => {
        server.forceShutdown()
        resolve()
      }, deadlineMs)
      server.tryShutdown(() => resolve())
      await promise
      clearTimeout(timer)
    },
  }
}
