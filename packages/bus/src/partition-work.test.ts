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

test('who tries again says why it stood still until it has read on, or nothing is to be read: it is not well in between', async () => {
  const [starts, handles] = [new Set(['start 1', 'start 2']), new Set(['handle 1'])]
  let [started, handled, next] = [0, 0, 100n]
  const flows: bigint[] = []
  const options = {
    group: 'g',
    topics: ['t'],
    start: async () => {
      started += 1
      if (starts.has(`start ${started}`)) throw new Error(`start ${started}`)
      return 5n
    },
    handle: async () => {
      handled += 1
      if (handles.has(`handle ${handled}`)) throw new Error(`handle ${handled}`)
    },
    onError: () => undefined,
  }
  const told: (string | undefined)[] = []
  const feed = {
    topic: 't',
    partition: 0,
    bounds: async () => {
      told.push(work.standsStill)
      return { first: 0n, next }
    },
    flow: (from: bigint) => void flows.push(from),
    halt: () => void told.push(work.standsStill),
  }
  const work: PartitionWork = new PartitionWork(options, feed, { retryFirst: 1, retryMost: 1, watch: 1 })
  work.begin()
  await expect.poll(() => flows).toEqual([5n])
  // The first start, its failure, the second one, its failure, the third one, and where it goes on from
  expect(told).toEqual([undefined, ...Array(2).fill('retried after: start 1'), ...Array(3).fill('retried after: start 2')])
  expect(work.standsStill).toBe('retried after: start 2')
  await work.deliver([record(5n)], 5n, 6n)
  await expect.poll(() => flows).toEqual([5n, 5n])
  expect(work.standsStill).toBe('retried after: handle 1')
  await work.deliver([record(5n)], 5n, 6n)
  expect(work.standsStill).toBeUndefined()

  starts.add('start 5')
  next = 5n
  work.resume()
  await expect.poll(() => work.standsStill).toBe('retried after: start 5')
  await expect.poll(() => flows).toEqual([5n, 5n, 5n])
  expect(work.standsStill, 'nothing is to be read').toBeUndefined()
})
