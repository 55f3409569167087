import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'

/** The version of files and manifests as they are written here. */
export const archiveFormat = 1

/** What lies beside each file, as JSON: enough to check it without Rondo. */
export interface Manifest {
  readonly format: number
  readonly service: string
  readonly number: number
  readonly file: string
  /** Of the file as it lies there; hexadecimal. */
  readonly sha256: string
  /** Of what it holds, decompressed. */
  readonly content_sha256: string
  /** Of the file. */
  readonly bytes: number
  readonly events: number
  readonly streams: number
  readonly first_position: number
  readonly last_position: number
}
/** What a file was found to hold. */
export type Found = Pick<Manifest, 'sha256' | 'content_sha256' | 'bytes' | 'events'>

export const manifestName = (file: string): string => file.replace(/\.ndjson\.gz$/, '.manifest.json')

async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Passes on what it counts. */
function hashing() {
  const hash = createHash('sha256')
  let bytes = 0
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  return { through, result: () => ({ sha256: hash.digest('hex'), bytes }) }
}

/** Writes the lines compressed, durably, under a name that nobody reads yet. */
export async function writeDraft(path: string, lines: AsyncIterable<string>): Promise<Found> {
  const content = createHash('sha256')
  let events = 0
  async function* counted() {
    for await (const line of lines) {
      const text = `${line}\n`
      content.update(text)
      events += 1
      yield text
    }
  }
  const file = hashing()
  await pipeline(Readable.from(counted()), createGzip(), file.through, createWriteStream(path, { mode: 0o600 }))
  await synced(path)
  return { ...file.result(), content_sha256: content.digest('hex'), events }
}

const lineEnd = 0x0a

/** Lines of a compressed file. Only a line feed ends one: what JSON leaves as it is (U+2028) does not. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const unzipped = createGunzip()
  const reading = pipeline(createReadStream(path), unzipped)
  // The loop below ends by the same error
  reading.catch(() => undefined)
  let rest: Buffer[] = []
  for await (const chunk of unzipped as AsyncIterable<Buffer>) {
    let from = 0
    for (let end = chunk.indexOf(lineEnd); end >= 0; end = chunk.indexOf(lineEnd, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, end)]).toString('utf8')
      rest = []
      from = end + 1
    }
    if (from < chunk.length) rest.push(chunk.subarray(from))
  }
  if (rest.length > 0) throw new Error(`${path} ends within a line`)
  await reading
}

/** Reads the whole file. Rejects where it cannot be read or decompressed. */
export async function look(path: string): Promise<Found> {
  const file = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    file.update(chunk)
    bytes += chunk.length
  }
  const content = createHash('sha256')
  let events = 0
  for await (const line of linesOf(path)) {
    content.update(`${line}\n`)
    events += 1
  }
  return { sha256: file.digest('hex'), bytes, content_sha256: content.digest('hex'), events }
}

/** What is not as it was written, in words; undefined: all is. */
export function differenceOf(found: Found, wanted: Found): string | undefined {
  const different = (['sha256', 'bytes', 'content_sha256', 'events'] as const).find((name) => found[name] !== wanted[name])
  return different && `its ${different} is ${found[different]}, not ${wanted[different]}`
}

/** Gives a draft its name and lays the manifest beside it, both durably: the manifest last, it says that the file is whole. */
export async function settle(folder: string, draft: string, manifest: Manifest): Promise<void> {
  await rename(draft, join(folder, manifest.file))
  const path = join(folder, manifestName(manifest.file))
  await writeFile(`${path}.draft`, `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 })
  await synced(`${path}.draft`)
  await rename(`${path}.draft`, path)
  await synced(folder)
}

export async function madeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
}
