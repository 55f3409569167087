import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { murmur2, partitionOf } from './partition.ts'

const theirs = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2.js') as (key: Buffer) => number

test('hashes as Kafka does', () => {
  // From UtilsTest of Apache Kafka.
  const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536, 'a-little-bit-longer-string': -1486304829 }
  for (const [key, hash] of Object.entries(known)) expect(murmur2(Buffer.from(key))).toBe(hash)
})

test('agrees with the client for any bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => murmur2(bytes) === theirs(Buffer.from(bytes))))
})

test('is always one of the partitions', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 100 }), (key, count) => {
      const partition = partitionOf(key, count)
      expect(partition >= 0 && partition < count && Number.isInteger(partition)).toBe(true)
    }),
  )
})
