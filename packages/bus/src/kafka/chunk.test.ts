import { expect, test } from 'vitest'
import { chunkOf } from './chunk.ts'

/** A record of its own offset, without anything in it. */
const bare = (delta: number) => Buffer.from([12, 0, 0, delta << 1, 1, 1, 0])

/** A batch of records at these offsets behind the first; `last` where more were there once. */
function batch(first: number, deltas: readonly number[], { last = deltas.at(-1) ?? 0, count = deltas.length } = {}) {
  const body = Buffer.concat(deltas.map(bare))
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(BigInt(first), 0)
  head.writeInt32BE(49 + body.length, 8)
  head.writeInt8(2, 16)
  head.writeInt32BE(last, 23)
  head.writeInt32BE(count, 57)
  return Buffer.concat([head, body])
}
const fetched = (...batches: readonly Buffer[]) => ({
  topic: 't',
  partition: 0,
  errorCode: 0,
  end: 100n,
  aborted: [],
  records: Buffer.concat(batches),
})
const offsets = (records: Iterable<{ readonly offset: bigint }>) => [...records].map(({ offset }) => Number(offset))

test('what lies before the offset, and what is cut off at the end, is left out; what compaction took is gone on behind', async () => {
  const cut = batch(30, [0, 1])
  const chunk = await chunkOf(fetched(batch(5, [0, 1, 2]), batch(8, [0, 3], { last: 9 }), cut.subarray(0, cut.length - 1)), 6n)
  expect(offsets(chunk.records(6n))).toEqual([6, 7, 8, 11])
  expect(offsets(chunk.records(8n))).toEqual([8, 11])
  expect([chunk.from, chunk.next]).toEqual([6n, 18n])
  expect([chunk.holds(17n), chunk.holds(18n)]).toEqual([true, false])
})

test('several go through a shared chunk each at their own pace, and get the same records', async () => {
  const chunk = await chunkOf(fetched(batch(0, [0, 1, 2])), 0n)
  chunk.share()
  const slow = chunk.records(0n)
  const first = slow.next().value
  const all = [...chunk.records(0n)]
  expect(all[0]).toBe(first)
  expect([...slow]).toEqual(all.slice(1))
  expect(chunk.records(2n).next().value).toBe(all[2])
})

test('where a shared chunk cannot be read each is told so: none takes what came before for all', async () => {
  const chunk = await chunkOf(fetched(batch(0, [0, 1], { count: 3 })), 0n)
  chunk.share()
  expect(() => offsets(chunk.records(0n))).toThrow(RangeError)
  expect(() => offsets(chunk.records(0n))).toThrow(RangeError)
})

test('records of before Kafka 0.11 are an error', async () => {
  const old = batch(0, [0])
  old.writeInt8(1, 16)
  await expect(chunkOf(fetched(old), 0n)).rejects.toThrow(/before Kafka 0\.11/)
})
