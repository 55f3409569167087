import { eventually, needs, ownBrokers } from '@rondo/testkit'
import { expect, test } from 'vitest'
import type { Bus } from '../port.ts'
import { kafkaBus } from './bus.ts'

needs('kafka')

const topic = 'facts'
const partitions = 12
const eachMost = 24

/** Sends batches over all partitions one after the other, and keeps what was acknowledged. */
async function sendUntil(bus: Bus, acknowledged: string[], over: () => boolean): Promise<void> {
  for (let batch = 0; !over(); batch += 1) {
    const ids = Array.from({ length: eachMost }, (_, index) => `${batch}/${index}`)
    const records = ids.map((id, index) => ({ key: id, value: Buffer.from(id), headers: {}, partition: index % partitions }))
    // One that was refused may be there or not: it is sent again by whoever sent it
    const sent = await bus.send(topic, records).then(
      () => true,
      () => false,
    )
    if (sent) acknowledged.push(...ids)
  }
}

async function stored(bus: Bus): Promise<ReadonlySet<string>> {
  const bounds = await bus.bounds(topic)
  const found = new Set<string>()
  const ends = new Map<number, bigint>()
  await bus.consume({
    group: 'reader',
    topics: [topic],
    start: async () => 'first',
    handle: async (batch) => {
      for (const { value, partition, offset } of batch) {
        found.add(Buffer.from(value ?? []).toString())
        ends.set(partition, offset + 1n)
      }
    },
    onError: () => undefined,
  })
  await eventually(() => bounds.every(({ partition, first, next }) => first === next || (ends.get(partition) ?? 0n) >= next), {
    within: 60_000,
  })
  return found
}

test('what was acknowledged is there, although the leaders of a batch moved while it was sent', async () => {
  const brokers = await ownBrokers()
  const bus = kafkaBus({ brokers: brokers.map(({ address }) => address), clientId: 'test' })
  let over = false
  try {
    await bus.ensure([{ name: topic, partitions }])
    const acknowledged: string[] = []
    const sending = sendUntil(bus, acknowledged, () => over)
    const more = async (count: number) => {
      const wanted = acknowledged.length + count
      await eventually(() => acknowledged.length >= wanted, { within: 90_000, every: 100 })
    }
    await more(200)
    await brokers[0]?.kill()
    // Only when others lead it goes on: what was under way has then met a leader that is gone, and others that it had asked already
    await more(1000)
    over = true
    await sending
    const there = await stored(bus)
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
  } finally {
    over = true
    await bus.close()
    await Promise.all(brokers.map((broker) => broker.kill()))
  }
}, 240_000)
