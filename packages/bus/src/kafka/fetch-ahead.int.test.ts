import { eventually, kafka, needs } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { newTopic } from '../conformance/stage.ts'
import type { ConsumeOptions } from '../port.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

/** Three megabytes in each partition, of which one fetch brings a quarter of one. */
async function stage(partitions: number) {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test', pace: { retryFirst: 10 } })
  const name = newTopic()
  await bus.ensure([{ name, partitions }])
  const value = Buffer.alloc(10_000, 'x')
  for (let partition = 0; partition < partitions; partition++) {
    const records = Array.from({ length: 300 }, (_, n) => ({ key: `k${n}`, value, headers: {}, partition }))
    for (let from = 0; from < 300; from += 20) await bus.send(name, records.slice(from, from + 20))
  }
  const consume = (options: Pick<ConsumeOptions, 'start' | 'handle' | 'onError'>) =>
    bus.consume({ group: newTopic(), topics: [name], ...options })
  return { bus, consume }
}

test('while a batch is being handled what comes next is fetched, and other partitions go on', async () => {
  const { bus, consume } = await stage(2)
  const isStopped = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  let begun = 0
  let after = 0
  await consume({
    start: async () => 'first',
    async handle([first]) {
      if (first?.partition === 1) {
        begun += 1
        await isStopped.promise
        after += 1
      } else if (begun > 0) {
        isStopped.resolve()
        await gate.promise
      }
    },
    onError: () => undefined,
  })
  // Of the same fetch and of the next
  await eventually(() => after >= 2, { within: 20_000 })
  gate.resolve()
  await bus.close()
})

test('what was fetched behind a batch that fails is not handed over before it', async () => {
  const { bus, consume } = await stage(1)
  let stored = 0n
  const failing = new Set([2, 5])
  let batches = 0
  const wrong: bigint[] = []
  await consume({
    start: async () => stored,
    async handle(batch) {
      batches += 1
      let half = 0
      for (const { offset } of batch) {
        if (offset !== stored) wrong.push(offset)
        // Some of it is stored when it fails
        if (failing.has(batches) && half++ === 7) throw new Error('fails on purpose')
        stored = offset + 1n
      }
    },
    onError: () => undefined,
  })
  await eventually(() => stored === 300n, { within: 20_000 })
  await bus.close()
  expect(wrong).toEqual([])
  expect(batches).toBeGreaterThan(5)
})

test('what was fetched ahead is left out where the batch before it seeks elsewhere', async () => {
  const { bus, consume } = await stage(1)
  const read: bigint[] = []
  let sought = false
  await consume({
    start: async () => 'first',
    async handle(batch, control) {
      for (const { offset } of batch) read.push(offset)
      if (!sought) control.seek(250n)
      sought = true
    },
    onError: () => undefined,
  })
  await eventually(() => read.at(-1) === 299n, { within: 20_000 })
  await bus.close()
  const [jump = -1, ...others] = read.flatMap((offset, n) => (n > 0 && offset !== (read[n - 1] ?? 0n) + 1n ? [n] : []))
  expect({ jumped: read[jump], others }).toEqual({ jumped: 250n, others: [] })
})
