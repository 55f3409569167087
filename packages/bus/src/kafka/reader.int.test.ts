import { eventually, kafka, needs, ownBrokers } from '@rondo/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { newGroup, newTopic, numbered } from '../conformance/stage.ts'
import type { Bus, ConsumeOptions, StoredRecord } from '../port.ts'
import { kafkaBus } from './bus.ts'
import { createClient } from './client.ts'

needs('kafka')

const patience = { within: 20_000, every: 20 }
const connection = () => ({ brokers: kafka().split(','), clientId: 'rondo-test' })

async function stage(partitions = 1) {
  const bus = kafkaBus({ ...connection(), pace: { retryFirst: 10, watch: 200 } })
  onTestFinished(() => bus.close())
  const name = newTopic()
  await bus.ensure([{ name, partitions }])
  return { bus, name }
}

/** A member in a group of its own, and what it has read. */
async function member(bus: Bus, name: string, from: bigint | 'first', given: Partial<ConsumeOptions> = {}) {
  const seen: StoredRecord[] = []
  const errors: string[] = []
  const consumer = await bus.consume({
    group: newGroup(),
    topics: [name],
    start: async () => from,
    handle: async (batch) => void seen.push(...batch),
    onError: ({ message }) => errors.push(message),
    ...given,
  })
  return { seen, errors, consumer }
}

const offsets = (records: readonly StoredRecord[]) => records.map(({ offset }) => Number(offset))
const counted = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

test('members of a process that have come to the same place get the same record, fetched and made once', async () => {
  const { bus, name } = await stage()
  const all = await Promise.all([member(bus, name, 0n), member(bus, name, 0n), member(bus, name, 0n)])
  for (let sent = 0; sent < 10; sent += 2) {
    await bus.send(name, numbered(sent, 2, 0))
    await eventually(() => all.every(({ seen }) => seen.length === sent + 2), patience)
  }
  for (const { seen } of all) {
    expect(offsets(seen)).toEqual(counted(0, 10))
    // From the second on all have come to the end
    expect(seen.slice(2).every((record, n) => record === all[0]?.seen[n + 2])).toBe(true)
  }
})

test('members of a process at different offsets of a partition each read on from their own, while news come', async () => {
  const { bus, name } = await stage()
  const value = Buffer.alloc(10_000, 'x')
  const send = (count: number) =>
    bus.send(
      name,
      Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value, headers: {}, partition: 0 })),
    )
  for (let n = 0; n < 10; n++) await send(30)
  const all = await Promise.all([member(bus, name, 0n), member(bus, name, 150n), member(bus, name, 299n), member(bus, name, 300n)])
  for (let n = 0; n < 10; n++) await send(1)
  const froms = [0, 150, 299, 300]
  await eventually(() => all.every(({ seen }, n) => seen.length >= 310 - (froms[n] ?? 0)), patience)
  expect(all.map(({ seen }) => offsets(seen))).toEqual(froms.map((from) => counted(from, 310)))
})

test('who stands still with a batch, and who is paused, holds up nobody, and reads on afterwards', async () => {
  const { bus, name } = await stage()
  const gate = Promise.withResolvers<void>()
  const slow: StoredRecord[] = []
  const late: StoredRecord[] = []
  const first = await member(bus, name, 'first')
  await member(bus, name, 'first', {
    handle: async (batch) => {
      await gate.promise
      slow.push(...batch)
    },
  })
  const { consumer } = await member(bus, name, 'first', {
    start: async () => BigInt(late.length),
    handle: async (batch, control) => {
      late.push(...batch)
      if (late.length < 10) control.pause('for a while')
    },
  })
  // More than anybody may hold
  const value = Buffer.alloc(100_000, 'x')
  for (let n = 0; n < 40; n++) await bus.send(name, [{ key: `k${n}`, value, headers: {}, partition: 0 }])
  await eventually(() => first.seen.length === 40, patience)
  expect(slow).toEqual([])
  await eventually(() => consumer.paused.length === 1, patience)
  gate.resolve()
  await eventually(() => slow.length === 40, patience)
  while (late.length < 10) {
    const before = late.length
    consumer.resume(name, 0)
    await eventually(() => late.length > before, patience)
  }
  await eventually(() => late.length === 40, patience)
  for (const seen of [first.seen, slow, late]) expect(offsets(seen)).toEqual(counted(0, 40))
})

test('what a member wants anew does not wait for the fetch under way, which waits for news of others', async () => {
  const { bus, name } = await stage(2)
  const other = newTopic()
  await bus.ensure([{ name: other, partitions: 1 }])
  await bus.send(name, numbered(0, 3, 1))
  const one = await member(bus, name, 'first')
  await eventually(() => one.seen.length === 3, patience)
  const begun = performance.now()
  const two = await member(bus, other, 'first')
  await bus.send(other, numbered(0, 1, 0))
  await eventually(() => two.seen.length === 1, patience)
  await bus.send(other, numbered(1, 1, 0))
  await eventually(() => two.seen.length === 2, patience)
  // A fetch waits five seconds where nothing comes
  expect(performance.now() - begun).toBeLessThan(4000)
})

test('transactions that were given up, and the marks of all of them, are passed over', async () => {
  const { bus, name } = await stage()
  const positions: bigint[] = []
  const { seen, errors } = await member(bus, name, 'first', { onLag: ([lag]) => lag && positions.push(lag.position) })
  const producer = createClient(connection(), () => undefined).producer({
    transactionalId: newTopic(),
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  for (const [key, end] of [
    ['a', 'commit'],
    ['b', 'abort'],
    ['c', 'commit'],
    ['d', 'abort'],
  ] as const) {
    const transaction = await producer.transaction()
    await transaction.send({ topic: name, messages: [{ key, value: key, partition: 0 }] })
    await transaction[end]()
  }
  // Two of each: a record and its mark
  await eventually(() => positions.at(-1) === 8n, patience)
  expect(seen.map(({ key, offset }) => [key, offset])).toEqual([
    ['a', 0n],
    ['c', 4n],
  ])
  expect(errors).toEqual([])
  expect((await bus.last(name, 0, 5)).map(({ key }) => key)).toEqual(['a', 'c'])
})

test('a broker that dies takes nothing with it: who reads its partitions goes on from where it was, at whoever leads them then', async () => {
  const brokers = await ownBrokers()
  const bus = kafkaBus({ brokers: brokers.map(({ address }) => address), clientId: 'rondo-test', pace: { retryFirst: 50 } })
  try {
    const name = newTopic()
    const partitions = 12
    await bus.ensure([{ name, partitions }])
    const all = [await member(bus, name, 'first'), await member(bus, name, 'first')]
    let sent = 0
    const send = async () => {
      const records = Array.from({ length: partitions }, (_, partition) => ({ key: `k${sent}`, value: null, headers: {}, partition }))
      await bus.send(name, records)
      sent += 1
      return true
    }
    // By their keys: of what was sent again there are more records
    const complete = () =>
      all.every(({ seen }) => new Set(seen.map(({ key, partition }) => `${key}/${partition}`)).size === sent * partitions)
    await send()
    await eventually(complete, patience)
    await brokers[0]?.kill()
    // Sent again until it is taken: duplicates are further records
    for (let n = 0; n < 5; n++) await eventually(send, { within: 60_000 })
    await eventually(complete, { within: 60_000 })
    for (const { seen } of all) {
      for (let partition = 0; partition < partitions; partition++) {
        const own = seen.filter((record) => record.partition === partition)
        expect(offsets(own)).toEqual(counted(0, own.length))
        expect(new Set(own.map(({ key }) => key)).size).toBe(sent)
      }
    }
  } finally {
    await bus.close()
    await Promise.all(brokers.map((broker) => broker.kill()))
  }
}, 180_000)
