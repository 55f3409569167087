import { ask } from '@rondo/kernel'
import { moduleOf, outlived } from '@rondo/testkit/outlived'
import { expect, test } from 'vitest'
import { order } from '../test/order-stream.ts'
import type { Work } from './batch.ts'
import { WaitingUnits } from './waiting.ts'

let count = 0
/** A unit for these orders; with a partition, as a consumer brings it. */
function unit(orders: readonly string[], { id = `m-${++count}`, partition }: { id?: string; partition?: number } = {}): Work {
  const checkpoint = partition === undefined ? undefined : { source: 'topic', partition, previous: 0, position: 1, nextOffset: 1n }
  return {
    unit: {
      id,
      hash: id,
      remember: partition === undefined,
      messages: orders.map((one) => ask(order, one, 'place', { item: 'tea' })),
      cause: { actor: 'person:ada', correlationId: id, causationId: id },
      ...(checkpoint ? { checkpoint } : {}),
    },
  }
}
function waiting(...units: readonly Work[]) {
  const made = new WaitingUnits<Work>()
  for (const one of units) made.push(one)
  return made
}

test('all that waits is taken in its order while nothing is on its way', () => {
  const [a, b, c] = [unit(['o-1']), unit(['o-1']), unit(['o-2'])]
  const units = waiting(a, b, c)
  expect(units.take(2)).toEqual([a, b])
  expect(units.length).toBe(1)
})

test('what touches a stream, an id or a partition that is on its way waits for it', () => {
  const onItsWay = [unit(['o-1'], { id: 'same' }), unit(['o-2'], { partition: 3 })]
  const units = waiting(...onItsWay)
  expect(units.take(10)).toEqual(onItsWay)
  const [stream, id, partition, free] = [unit(['o-1']), unit(['o-9'], { id: 'same' }), unit(['o-8'], { partition: 3 }), unit(['o-7'])]
  for (const one of [stream, id, partition, free]) units.push(one)
  expect(units.take(10)).toEqual([free])
  expect(units.take(10)).toEqual([])
  units.release(onItsWay)
  expect(units.take(10)).toEqual([stream, id, partition])
})

test('nobody overtakes: what an earlier unit waits for is not given to a later one', () => {
  const onItsWay = unit(['o-1'])
  const units = waiting(onItsWay)
  units.take(1)
  const [blocked, behind] = [unit(['o-1', 'o-2']), unit(['o-2'])]
  units.push(blocked)
  units.push(behind)
  expect(units.take(10)).toEqual([])
  units.release([onItsWay])
  expect(units.take(10)).toEqual([blocked, behind])
})

test('what is put back comes before all others', () => {
  const [first, second] = [unit(['o-1']), unit(['o-2'])]
  const units = waiting(first, second)
  const taken = units.take(1)
  units.release(taken)
  units.putBack(taken)
  expect(units.take(2)).toEqual([first, second])
})

test('where half is taken, it is all that waits of some partitions and nothing of the others, so that a second batch has those', () => {
  const read = Array.from({ length: 12 }, (_, n) => unit([`o-${n}`], { partition: n % 3 }))
  const units = waiting(...read)
  const first = units.takeHalf(500)
  expect(first).toEqual(read.filter((_, n) => n % 3 < 2))
  expect(units.take(500)).toEqual(read.filter((_, n) => n % 3 === 2))
})

test('half of what comes from no partition, and nothing that what was left waits for', () => {
  const [a, b, c, d] = [unit(['o-1'], { partition: 1 }), unit(['o-2'], { partition: 2 }), unit(['o-2']), unit(['o-3'])]
  const units = waiting(a, b, c, d)
  expect(units.takeHalf(1)).toEqual([a])
  units.release([a])
  expect(units.takeHalf(500)).toEqual([b, c])
  expect(units.take(500)).toEqual([d])
})

test('what was on its way is not held when it has gone, though a quiet moment came between', () => {
  const program = `
    const { WaitingUnits } = await import('${moduleOf('./waiting.ts', import.meta.url)}')
    const units = new WaitingUnits()
    const unit = (n) => ({ unit: { id: 'u' + n, remember: true, messages: [], held: new Array(50).fill(n) } })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    for (let n = 0; n < 10_000; n++) {
      for (let one = 0; one < 10; one++) units.push(unit(n * 10 + one))
      const taken = units.take(10)
      if (n % 8 === 0) await turn()
      // Quiet for as long as two collections of the young generation take
      if (n === 500) for (let one = 0; one < 50_000; one++) new Array(20).fill(one)
      units.release(taken)
    }`
  // Of some 75 MB; the names of what is busy alone are 5
  expect(outlived(program)).toBeLessThan(2_000_000)
})
