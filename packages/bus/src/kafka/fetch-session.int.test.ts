import { eventually, kafka, needs } from '@rondo/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { newGroup, newTopic, numbered } from '../conformance/stage.ts'
import { kafkaBus } from './bus.ts'
import { createClient } from './client.ts'
import { type Fetched, fetchOf } from './fetch.ts'
import { type Changes, FetchSession } from './fetch-session.ts'
import { openCluster } from './protocol.ts'

needs('kafka')

const limits = { wait: 200, most: 1 << 20, mostOfPartition: 1 << 18 }
const connection = () => ({ brokers: kafka().split(','), clientId: 'rondo-test' })

async function stage(partitions: number) {
  const bus = kafkaBus(connection())
  onTestFinished(() => bus.close())
  const topic = newTopic()
  await bus.ensure([{ name: topic, partitions }])
  const cluster = await openCluster(createClient(connection(), () => undefined))
  onTestFinished(() => cluster.disconnect())
  await cluster.brokerPool.refreshMetadata([topic])
  const [first] = cluster.findTopicPartitionMetadata(topic)
  const { connectionPool } = await cluster.brokerPool.findBroker({ nodeId: first?.leader ?? -1 })
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  return { bus, topic, places, fetch: (changes: Changes) => connectionPool.send(fetchOf(changes, limits)) }
}

type Told = { readonly partition: number; readonly isEmpty: boolean; readonly end: bigint }
const toldOf = (answer: Fetched | undefined): readonly Told[] =>
  (answer?.partitions ?? []).map(({ partition, records, end }) => ({ partition, isEmpty: records.length === 0, end }))

test('in a session a broker answers with what there is, and remembers the rest', async () => {
  const { bus, topic, places, fetch } = await stage(20)
  const session = new FetchSession()
  const wanted = new Map(places.map((place) => [place, 0n]))
  const fetched = async () => toldOf(await session.fetch(new Map(wanted), fetch))
  expect(await fetched()).toHaveLength(20)
  // A new topic's partitions are led a moment later, which is told of each
  await eventually(async () => (await fetched()).length === 0, { within: 20_000 })
  await bus.send(topic, numbered(0, 3, 13))
  const [only, ...others] = await fetched()
  expect([only, others]).toEqual([{ partition: 13, isEmpty: false, end: 3n }, []])
  const read = places[13]
  if (read) wanted.set(read, 3n)
  expect(await fetched()).toEqual([])
  // What is not wanted any more is not brought, and what is wanted anew from the beginning is
  const left = places[2]
  if (left) wanted.delete(left)
  if (read) wanted.set(read, 1n)
  await bus.send(topic, numbered(3, 1, 2))
  expect((await fetched()).map(({ partition }) => partition)).toEqual([13])
})

test('what a fetch wanted that never reached the broker is brought by the next one', async () => {
  const { bus, topic, places, fetch } = await stage(2)
  await bus.send(topic, numbered(0, 1, 1))
  const session = new FetchSession()
  const [first] = places
  await session.fetch(new Map(places.filter((place) => place === first).map((place) => [place, 0n])), fetch)
  const both = new Map(places.map((place) => [place, 0n]))
  await expect(session.fetch(both, () => Promise.reject(new Error('the connection broke')))).rejects.toThrow('the connection broke')
  const brought = toldOf(await session.fetch(both, fetch)).filter(({ isEmpty }) => !isEmpty)
  expect(brought.map(({ partition }) => partition)).toEqual([1])
})

test('a session that the broker has ended, or heard another fetch of, is begun anew', async () => {
  const { bus, topic, places, fetch } = await stage(1)
  await bus.send(topic, numbered(0, 1, 0))
  const session = new FetchSession()
  const wanted = new Map(places.map((place) => [place, 0n]))
  const begun = async () => (await session.fetch(wanted, fetch))?.session ?? 0
  const first = await begun()
  expect(first).not.toBe(0)
  await fetch({ session: first, epoch: 1, changed: new Map(), gone: [] })
  expect(await session.fetch(wanted, fetch)).toBeUndefined()
  const second = await begun()
  expect([0, first]).not.toContain(second)
  // An end, by the protocol
  await fetch({ session: second, epoch: -1, changed: new Map(), gone: [] })
  expect(await session.fetch(wanted, fetch)).toBeUndefined()
  expect(toldOf(await session.fetch(wanted, fetch))).toEqual([{ partition: 0, isEmpty: false, end: 1n }])
})

test('who has read all there is reads on when the fetch that waits was given up again and again', async () => {
  const { bus, topic } = await stage(4)
  const seen: string[] = []
  const consume = (name: string, into: string[]) =>
    bus.consume({
      group: newGroup(),
      topics: [name],
      start: async () => 'first',
      handle: async (batch) => {
        for (const { key } of batch) into.push(key)
      },
      onError: (error) => into.push(error.message),
    })
  await consume(topic, seen)
  for (let round = 0; round < 4; round++) {
    await bus.send(topic, numbered(round, 1, round))
    await eventually(() => seen.length === round + 1, { within: 20_000 })
    // Another topic ends the fetch that waits, and with it what the broker remembers
    const other = newTopic()
    await bus.ensure([{ name: other, partitions: 2 }])
    await bus.send(other, numbered(0, 1, 1))
    const others: string[] = []
    await consume(other, others)
    await eventually(() => others.length === 1, { within: 20_000 })
  }
  expect(seen).toEqual(['k0', 'k1', 'k2', 'k3'])
})
