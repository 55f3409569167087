import { soundWire, type Wire } from '@rondo/bus/wire'
import { ask } from '@rondo/kernel'
import { eventually } from '@rondo/testkit/eventually'
import { expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { openLedgerOn } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

/** A ledger whose requests of a kind wait over there until they are let go. */
async function opened(held: string) {
  const waiting: PromiseWithResolvers<void>[] = []
  let isHeld = false
  const call: Wire['call'] = async (what, done) => {
    const gate = Promise.withResolvers<void>()
    if (isHeld && what === held) waiting.push(gate)
    else gate.resolve()
    await gate.promise
    return soundWire.call(what, done)
  }
  const ledger = await openLedgerOn({
    service,
    streams: [order],
    store: modelStore({ database: new ModelDatabase(), wire: { ...soundWire, call } }),
  })
  const items = ['tea', 'milk', 'sugar', 'salt', 'rice', 'oil', 'tea']
  for (const [n, item] of items.entries()) await ledger.submit(unit([ask(order, `o-${n}`, 'place', { item })]))
  isHeld = true
  return { read: ledger.read, waiting }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('of look-ups two are on their way; what is looked for meanwhile is one more, and each is answered what it asked for', async () => {
  const { read, waiting } = await opened('find')
  const asked: Promise<unknown>[] = []
  const items = ['tea', 'milk', 'sugar', 'nothing', 'oil']
  for (const item of items) {
    asked.push(read.find(order, 'item', [item]).then((found) => found.map(({ id }) => id)))
    await turn()
  }
  asked.push(read.load(order, 'o-4').then(({ item }) => item))
  expect(waiting).toHaveLength(2)
  for (const { resolve } of waiting) resolve()
  await eventually(() => waiting.length === 3, { within: 2_000, every: 1 })
  await turn()
  waiting[2]?.resolve()
  expect(await Promise.all(asked)).toEqual([['o-0', 'o-6'], ['o-1'], ['o-2'], [], ['o-5'], 'rice'])
})

test('of pages no more are on their way than leave connections to who writes', async () => {
  const { read, waiting } = await opened('page')
  const asked = Array.from({ length: 8 }, () => read.list(order, {}))
  await turn()
  expect(waiting).toHaveLength(5)
  for (let n = 0; n < asked.length; n++) {
    await eventually(() => waiting.length > n, { within: 2_000, every: 1 })
    waiting[n]?.resolve()
  }
  for (const { items } of await Promise.all(asked)) expect(items).toHaveLength(7)
})
