import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

/** The folder that imports in the .proto files start from. */
export const protoFolder = fileURLToPath(new URL('..', import.meta.url))

/** All .proto files of Rondo, relative to `protoFolder`, in a stable order. */
export const protoFiles = (): readonly string[] => globSync('rondo/**/*.proto', { cwd: protoFolder }).sort()

/** How gRPC loads them, and what the generated types describe: names as written, int64 as text, no field silently missing. */
export const loading = { keepCase: true, longs: String, enums: String, defaults: true, arrays: true, objects: true, oneofs: false } as const

/** All .proto files, resolved: messages, enums and services by their full names. Field names as written. */
export function loadProtos(files: readonly string[] = protoFiles(), folder = protoFolder): protobuf.Root {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => (protobuf.common.get(target) ? target : `${folder}/${target}`)
  root.loadSync([...files], { keepCase: true, alternateCommentMode: true })
  root.resolveAll()
  return root
}

/** The text of one .proto file. */
export const protoText = (file: string): string => readFileSync(`${protoFolder}/${file}`, 'utf8')
