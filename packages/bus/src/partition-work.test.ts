import { expect, test } from 'vitest'
import { PartitionWork } from './partition-work.ts'
import type { StoredRecord } from './port.ts'

const record = (offset: bigint): StoredRecord => ({
  topic: 't',
  partition: 0,
  offset,
  timestamp: new Date(0),
  key: '',
  value: null,
  headers: {},
})

test('what does not begin where the partition has come to is not handed over: it is looked for what lies between', async () => {
  const handled: bigint[] = []
  const flows: bigint[] = []
  const options = {
    group: 'g',
    topics: ['t'],
    start: async () => 5n,
    handle: async (batch: Iterable<StoredRecord>) => void handled.push(...[...batch].map(({ offset }) => offset)),
    onError: () => undefined,
  }
  const feed = {
    topic: 't',
    partition: 0,
    bounds: async () => ({ first: 0n, next: 100n }),
    flow: (from: bigint) => void flows.push(from),
    halt: () => undefined,
  }
  const work = new PartitionWork(options, feed, { retryFirst: 1, retryMost: 1, watch: 1 })
  work.begin()
  await expect.poll(() => flows).toEqual([5n])
  await work.deliver([record(7n)], 7n, 8n)
  await expect.poll(() => flows).toEqual([5n, 5n])
  await work.deliver([record(5n)], 5n, 6n)
  expect({ handled, position: work.position }).toEqual({ handled: [5n], position: 6n })
})
