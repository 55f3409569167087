import { expect, test } from 'vitest'
import { fetchAll } from './newest.ts'

/** One batch with a record of nothing, as the versions of its format have it: 2 is what can be read. */
function batch(magic: 1 | 2): Buffer {
  const head = Buffer.alloc(61)
  head.writeInt32BE(49 + 7, 8)
  head.writeInt8(magic, 16)
  head.writeInt32BE(1, 57)
  return Buffer.concat([head, Buffer.from([12, 0, 0, 0, 1, 1, 0])])
}

test('a partition that cannot be read is an error of its own, and the others are read', async () => {
  // No Kafka of today stores what cannot be read
  const answer = [batch(1), batch(2)].map((records, partition) => ({ topic: 't', partition, errorCode: 0, end: 1n, aborted: [], records }))
  const places = [0, 1, 2].map((partition) => ({ topic: 't', partition, offset: 0n }))
  const found = new Map()
  await fetchAll(async () => ({ partitions: answer }), places, found)
  expect(places.map((place) => found.get(place))).toEqual([
    expect.objectContaining({ message: expect.stringContaining('before Kafka 0.11') }),
    expect.objectContaining({ next: 1n }),
    expect.objectContaining({ code: 'unavailable', message: expect.stringContaining('t/2 could not be read') }),
  ])
})
