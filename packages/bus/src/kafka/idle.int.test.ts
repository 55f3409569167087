import { eventually, kafka, madeDuring, needs } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { newTopic } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

test('an idle client does not spin: it sets timers for its fetches, not one each millisecond', async () => {
  const looks: number[] = []
  const errors: string[] = []
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test', pace: { watch: 500 } })
  const name = newTopic()
  await bus.ensure([{ name, partitions: 1 }])
  await bus.send(name, [{ key: 'k', value: null, headers: {} }])
  let read = 0
  await bus.consume({
    group: newTopic(),
    topics: [name],
    start: async () => 'first',
    handle: async (batch) => {
      read += [...batch].length
    },
    onLag: (lags) => looks.push(lags.length),
    onError: (error) => errors.push(error.message),
  })
  await eventually(() => read === 1, { within: 20_000 })
  // Three looks are a second or more of three idle connections: a fetch or none, a heartbeat or none, and the looks themselves.
  const { made: timers } = await madeDuring('Timeout', () => {
    looks.length = 0
    return eventually(() => looks.length >= 3, { within: 20_000, every: 200 })
  })
  await bus.close()
  expect(errors).toEqual([])
  expect(timers).toBeLessThan(30)
})

test('neither what is resumed nor who stops waits for the fetch under way, which waits long where nothing comes', async () => {
  const bus = kafkaBus({ brokers: kafka().split(','), clientId: 'rondo-test' })
  const name = newTopic()
  await bus.ensure([{ name, partitions: 2 }])
  const read: string[] = []
  const consumer = await bus.consume({
    group: newTopic(),
    topics: [name],
    start: async (_, partition) => BigInt(read.filter((place) => place.startsWith(`${partition}/`)).length),
    handle: async (batch, control) => {
      for (const { partition, offset } of batch) {
        read.push(`${partition}/${offset}`)
        if (partition === 0 && offset === 0n) control.pause('until it is told')
      }
    },
    onError: () => undefined,
  })
  const send = (partition: number) => bus.send(name, [{ key: 'k', value: null, headers: {}, partition }])
  await send(0)
  await eventually(() => consumer.paused.length === 1, { within: 20_000 })
  await send(0)
  await send(1)
  await eventually(() => read.includes('1/0'), { within: 20_000 })
  const resumed = performance.now()
  consumer.resume(name, 0)
  await eventually(() => read.includes('0/1'), { within: 20_000, every: 10 })
  const stopping = performance.now()
  await consumer.stop()
  const stopped = performance.now()
  await bus.close()
  expect(read).toEqual(['0/0', '1/0', '0/1'])
  expect(stopping - resumed).toBeLessThan(1000)
  expect(stopped - stopping).toBeLessThan(1000)
})
