import { eventually, kafka, needs } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { newTopic } from '../conformance/stage.ts'
import type { BusRecord, StoredRecord } from '../port.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

// A request is written in place, each length put in where room was left for it (our patch of kafkajs): one byte, two, three or four of it
const sizes = [
  0,
  1,
  20,
  ...Array.from({ length: 16 }, (_, n) => 48 + n),
  8_100,
  ...Array.from({ length: 50 }, (_, n) => 8_150 + n),
  900_000,
]

test('records of every size arrive as they were sent, by one request or another', async () => {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test' })
  const topic = newTopic()
  await bus.ensure([{ name: topic, partitions: 2 }])
  const records: readonly BusRecord[] = sizes.flatMap((size, n) => [
    {
      key: `k${n}`,
      value: Buffer.alloc(size, `${n} `),
      headers: n % 2 ? {} : { name: 'ü'.repeat(n), other: 'x'.repeat(70) },
      partition: n % 2,
    },
    { key: '', value: n % 3 ? null : Buffer.alloc(0), headers: { empty: '' }, partition: 1 },
  ])
  await Promise.all([bus.send(topic, records.slice(0, 20)), bus.send(topic, records.slice(20))])
  const seen: StoredRecord[] = []
  await bus.consume({
    group: newTopic(),
    topics: [topic],
    start: async () => 'first',
    handle: async (batch) => void seen.push(...batch),
    onError: (error) => {
      throw error
    },
  })
  await eventually(() => seen.length === records.length, { within: 20_000 })
  await bus.close()
  for (const partition of [0, 1]) {
    const told = (all: readonly BusRecord[]) =>
      all
        .filter((one) => one.partition === partition)
        .map(({ key, value, headers }) => [key, value && Buffer.from(value).toString('latin1'), headers])
    expect(told(seen)).toEqual(told(records))
  }
})
