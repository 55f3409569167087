import { eventually, kafka, needs } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { newTopic } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

test('a member with much to read holds a few hundred kilobytes of a partition at once, not all of it', async () => {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test' })
  const name = newTopic()
  await bus.ensure([{ name, partitions: 1 }])
  const value = Buffer.alloc(10_000, 'x')
  const records = Array.from({ length: 20 }, (_, n) => ({ key: `k${n}`, value, headers: {} }))
  for (let batch = 0; batch < 10; batch++) await bus.send(name, records)
  const sizes: number[] = []
  await bus.consume({
    group: newTopic(),
    topics: [name],
    start: async () => 'first',
    handle: async (batch) => void sizes.push([...batch].length),
    onError: () => undefined,
  })
  await eventually(() => sizes.reduce((sum, size) => sum + size, 0) === 200, { within: 20_000 })
  await bus.close()
  // 2 MB in all; 256 kB and, at most, the rest of a produced batch of 200 kB
  expect(Math.max(...sizes)).toBeLessThanOrEqual(46)
})
