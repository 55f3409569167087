import { Cut, soundWire } from '@rondo/bus/wire'
import { tell } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { NotParked, openLedgerOn } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

const opening = (database: ModelDatabase, wire = soundWire) =>
  openLedgerOn({ service, streams: [order], store: modelStore({ database, wire }) })

test.each([
  ['with an event', tell(order, 'b', 'count', 2)],
  // "placed" leaves nothing where the state knows it
  ['that leaves nothing but its id', tell(order, 'known', 'placed', { item: 'tea' })],
])('a unit that another process has written does not stand for those beside it in a batch that was lost: one %s', async (_, beside) => {
  const database = new ModelDatabase()
  const other = await opening(database)
  await other.submit(unit([tell(order, 'known', 'placed', { item: 'tea' })]))
  const shared = unit([tell(order, 'a', 'count', 1)])
  let lost = 0
  const one = await opening(database, {
    ...soundWire,
    async call(what, done) {
      if (what !== 'append' || lost++ > 0) return done()
      // As a caller that tried another process meanwhile
      await other.submit(shared)
      throw new Cut('the request was lost')
    },
  })
  const own = unit([beside])
  const [first, second] = await Promise.all([one.submit(shared), one.submit(own)])
  expect(lost).toBeGreaterThan(1)
  expect(first.results).toMatchObject([{ streamId: 'a', version: 1 }])
  expect(await one.known(own.id)).toBeDefined()
  const recorded = await one.events(0, 10)
  expect(second.results.flatMap(({ events }) => events).every(({ id }) => recorded.some((event) => event.id === id))).toBe(true)
  expect(recorded.filter(({ streamId }) => streamId === 'a')).toHaveLength(1)
  await Promise.all([one.close(), other.close()])
})

test('a unit of two streams that another process has written at other versions is answered with those', async () => {
  const database = new ModelDatabase()
  const other = await opening(database)
  const shared = unit([tell(order, 'a', 'count', 1), tell(order, 'b', 'count', 1)])
  let lost = 0
  const one = await opening(database, {
    ...soundWire,
    async call(what, done) {
      if (what !== 'append' || lost++ > 0) return done()
      await other.submit(unit([tell(order, 'b', 'count', 5)]))
      await other.submit(shared)
      throw new Cut('the request was lost')
    },
  })
  const { results } = await one.submit(shared)
  expect(results.map(({ streamId, version }) => [streamId, version])).toEqual([
    ['a', 1],
    ['b', 2],
  ])
  await Promise.all([one.close(), other.close()])
})

test('facts that another process has written at other versions meanwhile are repetitions', async () => {
  const database = new ModelDatabase()
  const other = await opening(database)
  const fact = (id: string, position: number) =>
    unit([tell(order, id, 'count', 1)], {
      remember: false,
      checkpoint: { source: 'builds', partition: 0, previous: position - 1, position, nextOffset: BigInt(position) },
    })
  const facts = [fact('a', 1), fact('b', 2)]
  let lost = 0
  const one = await opening(database, {
    ...soundWire,
    async call(what, done) {
      if (what !== 'append' || lost++ > 0) return done()
      await other.submit(facts[0]!)
      await other.submit(unit([tell(order, 'b', 'count', 5)]))
      await other.submit(facts[1]!)
      throw new Cut('the request was lost')
    },
  })
  const repeated = { duplicate: true, results: [] }
  expect(await Promise.all(facts.map((next) => one.submit(next)))).toEqual([repeated, repeated])
  await Promise.all([one.close(), other.close()])
})

test('a message that is known by another outcome is answered with that, not with what this process took for its own', async () => {
  const database = new ModelDatabase()
  const other = await opening(database)
  const shared = unit([tell(order, 'a', 'placed', { item: 'tea' })])
  const first = await other.submit(shared)
  await other.submit(unit([tell(order, 'a', 'count', 1)]))
  let lost = 0
  const one = await opening(database, {
    ...soundWire,
    async call(what, done) {
      if (what !== 'append' || lost++ > 0) return done()
      throw new Cut('the request was lost')
    },
  })
  await one.read.load(order, 'a')
  await one.submit(unit([tell(order, 'a', 'placed', { item: 'tea' })]))
  lost = 0
  // Taken for new, it leaves nothing but its id: "placed" is what the stream knows already
  expect(await one.submit(shared)).toEqual({ duplicate: true, results: first.results.map((result) => ({ ...result, events: [] })) })
  expect(lost).toBeGreaterThan(1)
  await Promise.all([one.close(), other.close()])
})

test('who asks only what became of an id leaves nothing where nobody knows it', async () => {
  const one = await opening(new ModelDatabase())
  const shared = unit([tell(order, 'a', 'placed', { item: 'tea' })])
  await expect(one.submit({ ...shared, messages: [] })).rejects.toMatchObject({ code: 'conflict' })
  expect(await one.submit(shared)).toMatchObject({ duplicate: false, results: [{ version: 1 }] })
  expect(await one.submit({ ...shared, messages: [] })).toMatchObject({ duplicate: true, results: [{ streamId: 'a', version: 1 }] })
  await one.close()
})

test.each([
  ['that was left out meanwhile is not said to be applied', false],
  ['whose reply was lost is applied once', true],
])('a parked record %s', async (_, isDone) => {
  const database = new ModelDatabase()
  const other = await opening(database)
  const known = unit([tell(order, 'a', 'count', 1)])
  const { results } = await other.submit(known)
  const [event] = results[0]!.events
  await other.park(
    { key: 'k', event: event!, reason: 'a defect' },
    { source: 'builds', partition: 0, previous: 0, position: 1, nextOffset: 1n },
  )
  const [record] = await other.parkedRecords({ source: 'builds', partition: 0, key: 'k' })
  let lost = 0
  const one = await opening(database, {
    ...soundWire,
    async call(what, done) {
      if (what !== 'append' || lost++ > 0) return done()
      if (isDone) await done()
      else await other.skip(record!, { actor: 'person:eve', why: 'not needed' })
      throw new Cut('nobody has heard')
    },
  })
  const { source, partition, key, position } = record!
  const parked = { source, partition, key, position, eventId: event!.id, actor: 'person:ada', why: 'mended' }
  // Known by its id, so that nothing but the record itself tells whether it was taken away
  const retry = one.submit({ ...known, parked })
  if (isDone) expect(await retry).toMatchObject({ duplicate: true })
  else await expect(retry).rejects.toThrow(NotParked)
  expect(await one.parkedKeys()).toEqual([])
  await Promise.all([one.close(), other.close()])
})
