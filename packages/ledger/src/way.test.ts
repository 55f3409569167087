import { soundWire } from '@rondo/bus/wire'
import { tell } from '@rondo/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { HandClock } from '../test/hand-clock.ts'
import { order } from '../test/order-stream.ts'
import { type OpenLedger, openLedgerOn, startRelay, type Way } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

/*
 * Where ledgers share a process, a batch is on its way until what it recorded is sent.
 */

let clock: HandClock
let said: string[]
let broken: boolean
let clear: () => Promise<void>
let ledger: OpenLedger
beforeEach(async () => {
  clock = new HandClock()
  said = []
  broken = false
  clear = async () => undefined
  const way: Way = {
    clear: () => clear(),
    enter: () => void said.push('enters'),
    leave: () => void said.push('leaves'),
  }
  const now = () => Date.parse('2026-11-01T00:00:00Z') + clock.now()
  const wire: typeof soundWire = {
    ...soundWire,
    async call(what, done) {
      if (what === 'append' && broken) throw new Error('this cannot be stored')
      return done()
    },
  }
  const store = modelStore({ database: new ModelDatabase(now), wire })
  ledger = await openLedgerOn({ service, streams: [order], store, clock, way, partitions: 1 })
})
afterEach(() => ledger.close())

const count = (id: string) => unit([tell(order, id, 'count', 1)])

test('a batch begins when the way is clear, and leaves it when what it recorded is sent', async () => {
  const sending = Promise.withResolvers<void>()
  const bus = { send: () => sending.promise.then(() => []), last: async () => [] }
  const encode = () => ({ key: 'k', value: Buffer.of(), headers: {} })
  const relay = startRelay({ database: ledger.database, onCommit: ledger.onCommit, join: ledger.join, bus, topic: 't', encode })
  await clock.pass(1)
  const before = Promise.withResolvers<void>()
  clear = () => before.promise
  const submitted = ledger.submit(count('o'))
  await clock.pass(1)
  expect(said).toEqual([])
  before.resolve()
  await submitted
  await clock.pass(1)
  expect(said).toEqual(['enters'])
  sending.resolve()
  await clock.pass(100)
  expect(said).toEqual(['enters', 'leaves'])
  await Promise.all([relay.stop(), clock.pass(1_000)])
})

test('a batch that records nothing leaves it when it is written', async () => {
  const submitted = ledger.submit(
    unit([], { remember: false, checkpoint: { source: 's', partition: 0, previous: 0, position: 1, nextOffset: 1n } }),
  )
  await clock.pass(30)
  await submitted
  expect(said).toEqual(['enters', 'leaves'])
})

test('a batch that could not be written leaves it, too', async () => {
  broken = true
  await expect(ledger.submit(count('o'))).rejects.toThrow('cannot be written: this cannot be stored')
  expect(said).toEqual(['enters', 'leaves'])
})

test('what is worth a second lane does not wait until the way is clear', async () => {
  const never = Promise.withResolvers<void>()
  clear = () => never.promise
  await Promise.all(Array.from({ length: 64 }, (_, n) => ledger.submit(count(`o${n}`))))
  expect(said).toEqual(['enters'])
})
