import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { kafkajs } from './client.ts'

/*
 * kafkajs reads gzip only, and its consumer dies of other producers' (or the broker's own) snappy, lz4 and zstd.
 * Both packages are native; they are loaded when the first such batch is met.
 */

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(data: Buffer): Promise<Buffer>
}

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

const snappy: Codec = {
  compress: ({ buffer }) => snappyPackage().compress(buffer),
  async decompress(data) {
    const blocks = await Promise.all(snappyBlocks(data).map((block) => snappyPackage().uncompress(block, { asBuffer: true })))
    return Buffer.concat(blocks.map((block) => Buffer.from(block)))
  },
}

const lz4: Codec = {
  compress: ({ buffer }) => lz4Package().compressFrame(buffer),
  decompress: (data) => lz4Package().decompressFrame(data),
}

const zstd: Codec = {
  compress: ({ buffer }) => promisify(zstdCompress)(buffer),
  decompress: (data) => promisify(zstdDecompress)(data),
}

/** Teaches the client the codecs that it lacks. The table is the client's, one for the process. */
export function installCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs()
  CompressionCodecs[CompressionTypes.Snappy] = () => snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => lz4
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd
}
