import type { handleServerStreamingCall, handleUnaryCall, Metadata, MethodDefinition, ServiceError, UntypedHandleCall } from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import { onAbort } from './abort.ts'
import { serviceNames } from './config.ts'
import { goneOf, pump } from './grpc-call.ts'
import { type Method, methodsOf } from './grpc-definition.ts'
import type { GrpcHost } from './grpc-host.ts'
import type { Host } from './host.ts'

/*
 * The edge is one address for callers, also where the services run as processes of their own: their calls pass through as bytes.
 * Tokens, roles and requests are checked where the service runs.
 */

const asIs = (bytes: Buffer) => bytes
const handedOn = ['authorization', 'x-rondo-message-id']

function metadataOf(given: Metadata): Metadata {
  const metadata = given.clone()
  for (const name of Object.keys(given.getMap())) if (!handedOn.includes(name)) metadata.remove(name)
  return metadata
}

const passOn = ({ code, details, metadata }: ServiceError) => ({ code, details, metadata })

function unary(path: string, service: string, { channels }: Pick<Host, 'channels'>): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    const deadline = { deadline: call.getDeadline() }
    const onward = channels
      .client(service)
      .makeUnaryRequest(path, asIs, asIs, call.request, metadataOf(call.metadata), deadline, (error, answer) => {
        if (error) callback(passOn(error))
        else callback(null, answer ?? Buffer.alloc(0))
      })
    call.once('cancelled', () => onward.cancel())
  }
}

function serverStream(
  path: string,
  service: string,
  { channels, stopping }: Pick<Host, 'channels' | 'stopping'>,
): handleServerStreamingCall<Buffer, Buffer> {
  const forward: handleServerStreamingCall<Buffer, Buffer> = async (call) => {
    const gone = AbortSignal.any([goneOf(call), stopping])
    const onward = channels
      .client(service)
      .makeServerStreamRequest(path, asIs, asIs, call.request, metadataOf(call.metadata), { deadline: call.getDeadline() })
    const forget = onAbort(gone, () => onward.cancel())
    try {
      await pump(call, onward, gone)
      call.end()
    } catch (error) {
      call.emit('error', error instanceof Error && 'code' in error ? passOn(error as ServiceError) : error)
    } finally {
      forget()
    }
  }
  return forward
}

function definitionOf({ name, clientStreams, serverStreams }: Method): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${name}`,
    requestStream: clientStreams,
    responseStream: serverStreams,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

/** The gRPC services of a package such as `rondo.builds.v1`. */
function servicesOf(protos: protobuf.Root, name: string): readonly protobuf.Service[] {
  const space = protos.lookup(`rondo.${name}.v1`)
  return space instanceof protobuf.Namespace ? space.nestedArray.filter((one) => one instanceof protobuf.Service) : []
}

/** Passes calls of the services that run elsewhere on to them. */
export function forwardOthers(
  grpc: GrpcHost,
  host: Pick<Host, 'channels' | 'protos' | 'config' | 'stopping'>,
  here: readonly string[],
): void {
  const named = new Set([...serviceNames, ...Object.keys(host.config.serviceAddresses)])
  for (const name of [...named].filter((one) => !here.includes(one))) {
    for (const service of servicesOf(host.protos, name)) {
      const methods = [...methodsOf(service)].filter(([, { clientStreams }]) => !clientStreams)
      const handlers = methods.map(([method, { name: path, serverStreams }]): [string, UntypedHandleCall] => [
        method,
        serverStreams ? serverStream(`/${path}`, name, host) : unary(`/${path}`, name, host),
      ])
      const definitions = methods.map(([method, one]) => [method, definitionOf(one)] as const)
      grpc.addRaw(service.fullName.slice(1), Object.fromEntries(definitions), Object.fromEntries(handlers))
    }
  }
}
