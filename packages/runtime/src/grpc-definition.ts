import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { DomainError } from '@rondo/kernel'
import { loading } from '@rondo/proto'
import type protobuf from 'protobufjs'
import { checkWire } from './wire.ts'

/** Refused above this, in bytes; what is far above is cut off by the transport. */
export const maxMessageBytes = 4 * 1024 * 1024

/** What bytes say, as the generated types describe it. Refuses what they do not describe. */
export function decode(type: protobuf.Type, bytes: Buffer): Record<string, unknown> {
  if (bytes.length > maxMessageBytes)
    throw new DomainError('too_large', `the message has ${bytes.length} bytes; the limit is ${maxMessageBytes}`)
  checkWire(type, bytes)
  try {
    return type.toObject(type.decode(bytes), loading)
  } catch (error) {
    throw new DomainError('invalid', `the bytes are no ${type.name}`, { cause: String(error) })
  }
}

/** Of an object in the shape of the generated types. */
export const encode = (type: protobuf.Type, value: object): Buffer => Buffer.from(type.encode(type.fromObject(value)).finish())

export interface Method {
  /** `rondo.requirements.v1.Requirements/Refine` */
  readonly name: string
  readonly request: protobuf.Type
  readonly response: protobuf.Type
  readonly clientStreams: boolean
  readonly serverStreams: boolean
}

export function methodsOf(service: protobuf.Service): ReadonlyMap<string, Method> {
  return new Map(
    service.methodsArray.map((method) => {
      const { resolvedRequestType: request, resolvedResponseType: response } = method
      if (!request || !response) throw new Error(`${method.fullName} names a message that does not exist`)
      const name = `${service.fullName.slice(1)}/${method.name}`
      return [
        method.name,
        { name, request, response, clientStreams: method.requestStream === true, serverStreams: method.responseStream === true },
      ]
    }),
  )
}

const asIs = (bytes: Buffer): Buffer => bytes

/** Requests stay bytes until their caller was let in: who is refused costs no more, and what cannot be read is a refusal of ours. */
const definition = ({ name, response, clientStreams, serverStreams }: Method): MethodDefinition<Buffer, object> => ({
  path: `/${name}`,
  requestStream: clientStreams,
  responseStream: serverStreams,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: (value) => encode(response, value),
  responseDeserialize: (bytes) => response.toObject(response.decode(bytes), loading),
})

export const serviceDefinition = (service: protobuf.Service): ServiceDefinition =>
  Object.fromEntries([...methodsOf(service)].map(([name, method]) => [name, definition(method)]))
