import type { handleBidiStreamingCall, Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { loading, protoFiles, protoFolder } from '@rondo/proto'

const versions = ['v1', 'v1alpha'] as const
const method = 'ServerReflectionInfo'
const pathOf = (version: string): string => `/grpc.reflection.${version}.ServerReflection/${method}`

type Answering = Pick<ServiceDefinition[string], 'requestDeserialize' | 'responseSerialize'> & {
  readonly handle: handleBidiStreamingCall<unknown, unknown>
}

/** What answers at each path. */
function answering(): ReadonlyMap<string, Answering> {
  const protos = loadSync([...protoFiles()], { ...loading, includeDirs: [protoFolder] })
  // Each message brings the descriptors of all files, and each of them would be decoded: one is as good as all
  const one = Object.entries(protos).find(([, definition]) => Array.isArray(definition.fileDescriptorProtos))
  const found = new Map<string, Answering>()
  const collecting = {
    addService(definition: ServiceDefinition, handlers: UntypedServiceImplementation) {
      for (const [name, { path, requestDeserialize, responseSerialize }] of Object.entries(definition)) {
        const handle = handlers[name] as handleBidiStreamingCall<unknown, unknown>
        found.set(path, { requestDeserialize, responseSerialize, handle })
      }
    },
  }
  new ReflectionService(Object.fromEntries(one ? [one] : [])).addToServer(collecting as Server)
  return found
}

/** For clients without the protos. What it answers from is made when the first one asks: a start would else be a fifth longer. */
export function addReflection(server: Server): void {
  let made: ReadonlyMap<string, Answering> | undefined
  const at = (path: string): Answering => {
    made ??= answering()
    const found = made.get(path)
    if (!found) throw new TypeError(`nothing answers at ${path}`)
    return found
  }
  for (const path of versions.map(pathOf)) {
    const definition: ServiceDefinition[string] = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes) => at(path).requestDeserialize(bytes),
      responseSerialize: (value) => at(path).responseSerialize(value),
      responseDeserialize: (bytes) => bytes,
    }
    const handler: handleBidiStreamingCall<unknown, unknown> = (call) => at(path).handle(call)
    server.addService({ [method]: definition }, { [method]: handler })
  }
}
