import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { DomainError } from '@rondo/kernel'
import { loading } from '@rondo/proto'
import type protobuf from 'protobufjs'
import { onAbort } from './abort.ts'
import { encode, type Method, maxMessageBytes, methodsOf } from './grpc-definition.ts'
import { fromStatus } from './status.ts'

export interface CallOptions {
  /** The caller's own, handed on: `Bearer <token>`. */
  readonly authorization?: string | undefined
  readonly messageId?: string | undefined
  /** Milliseconds; 30,000 unless told (a stream: none). */
  readonly timeoutMs?: number
}

export interface StreamOptions extends CallOptions {
  /** Ends the stream. */
  readonly signal?: AbortSignal
}

/** Objects in the shape of the generated types. */
export type MessageObject = Readonly<Record<string, unknown>>

export interface Channels {
  /** `call('requirements', 'rondo.requirements.v1.Requirements/Refine', {…})`. Rejects with the refusal as it was there. */
  call(service: string, method: string, request: MessageObject, options?: CallOptions): Promise<MessageObject>
  /** A server stream; reading it slowly slows the sender. */
  stream(service: string, method: string, request: MessageObject, options?: StreamOptions): AsyncIterable<MessageObject>
  /** The client of a service, for bytes that pass through. */
  client(service: string): Client
  close(): void
}

const defaultTimeoutMs = 30_000
/** The library's own goes up to two minutes: so long callers would be refused after the service is back. */
const reconnecting = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2000 }

function metadataOf({ authorization, messageId }: CallOptions, own: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(own)) metadata.set(name, value)
  if (authorization) metadata.set('authorization', authorization)
  if (messageId) metadata.set('x-rondo-message-id', messageId)
  return metadata
}

/** `rondo.requirements.v1.Requirements/Refine` → the method. */
export function findMethod(protos: protobuf.Root, name: string): Method {
  const [service = '', method = ''] = name.split('/')
  const found = protos.lookup(service)
  const methods = found && 'methodsArray' in found ? methodsOf(found as protobuf.Service) : undefined
  const one = methods?.get(method)
  if (!one) throw new DomainError('not_found', `there is no RPC ${name}`)
  return one
}

/**
 * One connection for each service, opened at its first use. `addressOf`: `host:port`. `ownMetadata`: what calls of a service carry beside
 * what they are given.
 */
export function createChannels(
  protos: protobuf.Root,
  addressOf: (service: string) => string,
  ownMetadata: (service: string) => Readonly<Record<string, string>> = () => ({}),
): Channels {
  const clients = new Map<string, Client>()
  const client = (service: string): Client => {
    const known = clients.get(service)
    if (known) return known
    const made = new Client(addressOf(service), credentials.createInsecure(), {
      'grpc.max_receive_message_length': 4 * maxMessageBytes,
      'grpc.service_config': '{}',
      ...reconnecting,
    })
    clients.set(service, made)
    return made
  }
  const decodeAnswer =
    ({ response }: Method) =>
    (bytes: Buffer): MessageObject =>
      response.toObject(response.decode(bytes), loading)

  return {
    client,
    call(service, name, request, options = {}) {
      const method = findMethod(protos, name)
      const { promise, resolve, reject } = Promise.withResolvers<MessageObject>()
      const deadline = Date.now() + (options.timeoutMs ?? defaultTimeoutMs)
      client(service).makeUnaryRequest(
        `/${method.name}`,
        (value: MessageObject) => encode(method.request, value),
        decodeAnswer(method),
        request,
        metadataOf(options, ownMetadata(service)),
        { deadline },
        (error, answer) => (error ? reject(fromStatus(error)) : resolve(answer ?? {})),
      )
      return promise
    },
    async *stream(service, name, request, options = {}) {
      const method = findMethod(protos, name)
      const deadline = options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs }
      const call: ClientReadableStream<MessageObject> = client(service).makeServerStreamRequest(
        `/${method.name}`,
        (value: MessageObject) => encode(method.request, value),
        decodeAnswer(method),
        request,
        metadataOf(options, ownMetadata(service)),
        deadline,
      )
      const forget = options.signal && onAbort(options.signal, () => call.cancel())
      try {
        for await (const answer of call as AsyncIterable<MessageObject>) yield answer
      } catch (error) {
        if (options.signal?.aborted) return
        throw error instanceof Error && 'code' in error ? fromStatus(error as ServiceError) : error
      } finally {
        forget?.()
        call.cancel()
      }
    },
    close() {
      for (const one of clients.values()) one.close()
      clients.clear()
    },
  }
}
