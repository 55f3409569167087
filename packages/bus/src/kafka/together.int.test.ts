import { kafka, madeDuring, needs } from '@rondo/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { newTopic } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

const partitions = Array.from({ length: 24 }, (_, partition) => partition)

test('what is asked of many partitions at once goes over a few connections, however much there is', async () => {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test' })
  onTestFinished(() => bus.close())
  const name = newTopic()
  await bus.ensure([{ name, partitions: partitions.length }])
  // Together more than one answer has room for
  const value = Buffer.alloc(300_000)
  for (const partition of partitions)
    await bus.send(
      name,
      ['older', 'newer'].map((key) => ({ key: `${key} ${partition}`, value, headers: {}, partition })),
    )
  const { result, made: connections } = await madeDuring('TCPCONNECTWRAP', () =>
    Promise.all(
      partitions.map(async (partition) => ({
        keys: (await bus.last(name, partition, 2)).map(({ key }) => key),
        newest: (await bus.last(name, partition, 1)).map(({ key }) => key),
        id: await bus.topicId(name),
      })),
    ),
  )
  expect(result.map(({ keys }) => keys)).toEqual(partitions.map((partition) => [`older ${partition}`, `newer ${partition}`]))
  expect(result.map(({ newest }) => newest)).toEqual(partitions.map((partition) => [`newer ${partition}`]))
  expect(new Set(result.map(({ id }) => id)).size).toBe(1)
  expect(connections).toBeLessThan(partitions.length)
})

test('a partition or a topic that is not there is told to who asked for it, and to nobody else', async () => {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test' })
  onTestFinished(() => bus.close())
  const [name, other] = [newTopic(), newTopic()]
  await bus.ensure([{ name, partitions: 1 }])
  await bus.send(name, [{ key: 'k', value: null, headers: {} }])
  const [last, missing, id, unknown] = await Promise.allSettled([
    bus.last(name, 0, 1),
    bus.last(name, 7, 1),
    bus.topicId(name),
    bus.topicId(other),
  ])
  expect([last.status, id.status]).toEqual(['fulfilled', 'fulfilled'])
  expect(missing).toMatchObject({ reason: { code: 'partition_mismatch' } })
  expect(unknown).toMatchObject({ reason: { code: 'unknown_topic' } })
})
