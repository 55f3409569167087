import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { kafka, needs } from '@rondo/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { newTopic } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

test('a broker that is down behind a proxy, which takes connections and closes them, is passed over for the next one', async () => {
  let asked = 0
  const proxy = createServer((socket) => {
    asked += 1
    socket.on('error', () => undefined)
    socket.destroy()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void proxy.close())
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  const bus = kafkaBus({ brokers: [`127.0.0.1:${port}`, ...kafka().split(',')], clientId: 'rondo-test' })
  onTestFinished(() => bus.close())
  const name = newTopic()
  await bus.ensure([{ name, partitions: 1 }])
  await bus.send(name, [{ key: 'k', value: Buffer.from('v'), headers: {} }])
  expect((await bus.bounds(name))[0]?.next).toBe(1n)
  expect(asked).toBeGreaterThan(0)
})
