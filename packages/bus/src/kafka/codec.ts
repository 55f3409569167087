import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { BusError } from '../error.ts'

/*
 * What other producers' (or the broker's own) batches are compressed with. Both packages are native; they are loaded when the first such batch
 * is met.
 */

const require = createRequire(import.meta.url)
const snappyPackage = () => require('snappy') as typeof import('snappy')
const lz4Package = () => require('lz4-napi') as typeof import('lz4-napi')

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const xerialHeader = 16

/** The blocks of snappy-java's stream: a header of 16 bytes, then length and bytes of each. Other clients write one bare block. */
export function snappyBlocks(data: Buffer): readonly Buffer[] {
  if (!data.subarray(0, xerialMagic.length).equals(xerialMagic)) return [data]
  const blocks: Buffer[] = []
  for (let at = xerialHeader; at < data.length; ) {
    const end = at + 4 + data.readInt32BE(at)
    blocks.push(data.subarray(at + 4, end))
    at = end
  }
  return blocks
}

async function snappy(data: Buffer): Promise<Buffer> {
  const blocks = await Promise.all(snappyBlocks(data).map((block) => snappyPackage().uncompress(block, { asBuffer: true })))
  return Buffer.concat(blocks.map((block) => Buffer.from(block)))
}

/** By the number that Kafka has for each. */
const codecs: Readonly<Record<number, (data: Buffer) => Promise<Buffer>>> = {
  1: promisify(gunzip),
  2: snappy,
  3: (data) => lz4Package().decompressFrame(data),
  4: promisify(zstdDecompress),
}

/** Rejects where the bytes are not what they should be. */
export async function decompressed(codec: number, data: Buffer): Promise<Buffer> {
  const decompress = codecs[codec]
  if (!decompress) throw new BusError('unavailable', `a batch is compressed with an unknown codec: ${codec}`, { codec })
  return decompress(data)
}
