import { compressSync } from 'snappy'
import { expect, test } from 'vitest'
import { snappyBlocks } from './codec.ts'

test('a stream of snappy-java is taken apart into its blocks; a bare block is one', () => {
  const blocks = ['first', 'second'].map((text) => Buffer.from(compressSync(text)))
  const length = (block: Buffer) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(block.length)
    return bytes
  }
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  const stream = Buffer.concat([header, ...blocks.flatMap((block) => [length(block), block])])
  expect(snappyBlocks(stream)).toEqual(blocks)
  expect(snappyBlocks(Buffer.from(compressSync('bare')))).toHaveLength(1)
})
