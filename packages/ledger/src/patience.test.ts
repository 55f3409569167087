import { soundWire } from '@rondo/bus/wire'
import { tell } from '@rondo/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { HandClock } from '../test/hand-clock.ts'
import { order } from '../test/order-stream.ts'
import { type OpenLedger, openLedgerOn } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

/*
 * What only moves a checkpoint is waited for by nobody: it makes way for what is, and goes with it.
 */

let clock: HandClock
let ledger: OpenLedger
let appends: number
beforeEach(async () => {
  clock = new HandClock()
  appends = 0
  const call: typeof soundWire.call = async (what, done) => {
    if (what === 'append') appends++
    return done()
  }
  const store = modelStore({ database: new ModelDatabase(), wire: { ...soundWire, call } })
  ledger = await openLedgerOn({ service, streams: [order], store, clock })
})
afterEach(() => ledger.close())

const moved = (partition: number, position: number) =>
  unit([], { remember: false, checkpoint: { source: 's', partition, previous: position - 1, position, nextOffset: BigInt(position) } })
const count = (id: string) => unit([tell(order, id, 'count', 1)])

test('alone it goes after some milliseconds', async () => {
  const submitted = ledger.submit(moved(0, 1))
  await clock.pass(10)
  expect(appends).toBe(0)
  await clock.pass(10)
  await submitted
  expect(appends).toBe(1)
})

test('it goes at once with what somebody waits for', async () => {
  const submitted = [ledger.submit(moved(0, 1)), ledger.submit(moved(1, 1))]
  await clock.pass(10)
  expect(appends).toBe(0)
  submitted.push(ledger.submit(count('o')))
  await Promise.all(submitted)
  expect([appends, clock.now()]).toEqual([1, 10])
})

test('it goes at once where many wait', async () => {
  await Promise.all(Array.from({ length: 64 }, (_, partition) => ledger.submit(moved(partition, 1))))
  expect(clock.now()).toBe(0)
})

test('it goes at once where the ledger is closed', async () => {
  const submitted = ledger.submit(moved(0, 1))
  await clock.pass(1)
  await ledger.close()
  await submitted
  expect([appends, clock.now()]).toEqual([1, 1])
})
