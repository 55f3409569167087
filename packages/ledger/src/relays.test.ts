import type { Bus, BusRecord } from '@rondo/bus'
import { soundWire } from '@rondo/bus/wire'
import { tell } from '@rondo/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { HandClock } from '../test/hand-clock.ts'
import { order } from '../test/order-stream.ts'
import { type OpenLedger, openLedgerOn, type Relay, startRelay } from './index.ts'
import { backUp } from './model/backup.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

/** A process with its relay, and what that has sent and asked for. */
interface Sender {
  readonly ledger: OpenLedger
  readonly relay: Relay
  readonly sent: number[]
  readonly asked: string[]
  send: (records: readonly BusRecord[]) => Promise<void>
}

let clock: HandClock
let database: ModelDatabase
let topic: BusRecord[]
let all: Sender[]

beforeEach(() => {
  clock = new HandClock()
  database = new ModelDatabase(() => Date.parse('2026-11-01T00:00:00Z') + clock.now())
  topic = []
  all = []
})
afterEach(async () => {
  await Promise.all([...all.flatMap(({ relay, ledger }) => [relay.stop(), ledger.close()]), clock.pass(1_000)])
})

const positionOf = ({ headers }: BusRecord) => Number(headers.ce_position)
const taken = async (records: readonly BusRecord[]) => void topic.push(...records)

/** The first that is started has the lease. */
async function started(): Promise<Sender> {
  const asked: string[] = []
  const wire: typeof soundWire = {
    ...soundWire,
    call(what, done) {
      asked.push(what)
      return soundWire.call(what, done)
    },
  }
  const ledger = await openLedgerOn({ service, streams: [order], store: modelStore({ database, wire }), clock, partitions: 1 })
  const sent: number[] = []
  const sender = { ledger, sent, asked, send: taken }
  const bus: Pick<Bus, 'send' | 'last'> = {
    async send(_, records) {
      await sender.send(records)
      sent.push(...records.map(positionOf))
      return []
    },
    last: async () =>
      topic.slice(-1).map(({ key, headers }) => ({ topic: 't', key, headers, partition: 0, offset: 0n, timestamp: new Date(0) })),
  }
  const relay = startRelay({
    database: ledger.database,
    onCommit: ledger.onCommit,
    join: ledger.join,
    bus,
    topic: 't',
    encode: ({ id, position }, { epoch }) => ({
      key: 'k',
      value: null,
      headers: { ce_id: id, ce_position: String(position), ce_epoch: String(epoch) },
    }),
  })
  const whole = Object.assign(sender, { relay })
  all.push(whole)
  await clock.pass(0)
  asked.splice(0)
  return whole
}
const count = ({ ledger }: Sender) => ledger.submit(unit([tell(order, 'a', 'count', 1)]))

test('who stands by sends what its process has written, and tells who has the lease with its mark', async () => {
  const [holder, other] = [await started(), await started()]
  for (let times = 0; times < 3; times++) {
    await count(other)
    await clock.pass(100)
  }
  expect([holder.sent, other.sent]).toEqual([[], [1, 2, 3]])
  expect(holder.relay.state).toEqual({ state: 'running', position: 3 })
  expect(other.relay.state.state).toBe('standby')
  expect(other.asked.filter((what) => what === 'wake')).toEqual([])
  expect(holder.asked.filter((what) => what === 'chained')).toEqual([])
  await count(holder)
  await clock.pass(100)
  expect(holder.sent).toEqual([4])
  expect(holder.asked.filter((what) => what === 'chained')).toEqual([])
})

test('who stands by sends one after the other what comes while it sends', async () => {
  const [, other] = [await started(), await started()]
  const held = Promise.withResolvers<void>()
  other.send = (records) => held.promise.then(() => taken(records))
  await count(other)
  await clock.pass(5)
  await count(other)
  await count(other)
  await clock.pass(5)
  held.resolve()
  await clock.pass(100)
  expect(other.sent).toEqual([1, 2, 3])
})

test('what comes behind something that is not sent yet is left to who has the lease', async () => {
  const [holder, other] = [await started(), await started()]
  const held = Promise.withResolvers<void>()
  holder.send = (records) => held.promise.then(() => taken(records))
  await count(holder)
  await clock.pass(5)
  await count(other)
  await clock.pass(100)
  expect(topic).toEqual([])
  held.resolve()
  await clock.pass(100)
  expect(topic.map(positionOf)).toEqual([1, 2])
  expect(other.sent).toEqual([])
})

test('what could not be sent is left to who has the lease, and what follows it, too', async () => {
  const [holder, other] = [await started(), await started()]
  other.send = async () => {
    throw new Error('nobody took it')
  }
  await count(other)
  await clock.pass(100)
  expect(holder.sent).toEqual([1])
  await Promise.all([count(other).then(() => count(other)), clock.pass(100)])
  expect([holder.sent, other.sent]).toEqual([[1, 2, 3], []])
  expect(other.relay.state.state).toBe('standby')
})

test('who has the lease sends what another one was going to and does not', async () => {
  const [holder, other] = [await started(), await started()]
  other.send = () => new Promise<void>(() => undefined)
  await count(other)
  await clock.pass(600)
  expect(holder.sent).toEqual([1])
  other.send = taken
  all = all.filter((one) => one !== other)
})

test('who stands by sends nothing of an older copy that took the place of its ledger before anybody knew', async () => {
  const [holder, other] = [await started(), await started()]
  await count(holder)
  await clock.pass(1_900)
  const restore = backUp(database)
  // It hears nothing of what others send
  database.listeners.clear()
  await count(holder)
  await clock.pass(20)
  expect(topic.map(positionOf)).toEqual([1, 2])
  restore()
  await count(other)
  await clock.pass(5_000)
  expect(topic.map(positionOf)).toEqual([1, 2])
  expect(other.relay.state.state).toBe('restored_backup')
})

test('who stands by, and has heard of what others have sent, sends nothing of an older copy that took its place row by row', async () => {
  const [holder, other] = [await started(), await started()]
  await count(holder)
  await clock.pass(1_900)
  const restore = backUp(database)
  await count(holder)
  await count(holder)
  await clock.pass(110)
  expect(topic.map(positionOf)).toEqual([1, 2, 3])
  // Neither the server nor its tables are others
  const { incarnation } = database
  Object.defineProperty(database, 'incarnation', { value: incarnation })
  restore()
  await count(other)
  await clock.pass(5_000)
  expect(topic.map(positionOf)).toEqual([1, 2, 3])
  expect(other.sent).toEqual([])
})

test('behind what could not be marked nothing is sent as it was written', async () => {
  const [holder, other] = [await started(), await started()]
  const { markSent } = other.ledger.database.store
  let marks = 0
  const store = Object.assign(other.ledger.database.store, {
    markSent: async (...given: Parameters<typeof markSent>) => (marks++ > 0 ? markSent(...given) : { marked: false, kept: false }),
  })
  expect(store).toBe(other.ledger.database.store)
  await count(other)
  await count(other)
  await clock.pass(100)
  // It was sent, and the ledger says that it is not what it has: whoever has the lease finds out
  expect(other.sent).toEqual([1])
  expect(holder.sent).toEqual([1, 2])
})

test('who has the lease sends nothing of one behind what others have sent', async () => {
  const [holder, other] = [await started(), await started()]
  const restore = backUp(database)
  database.listeners.clear()
  await count(other)
  await clock.pass(20)
  expect(other.sent).toEqual([1])
  restore()
  await count(holder)
  await clock.pass(5_000)
  expect(topic).toHaveLength(1)
  expect(holder.relay.state.state).toBe('restored_backup')
})

test('what goes on where it was sent is not marked before, and then in one', async () => {
  const holder = await started()
  for (let times = 0; times < 3; times++) {
    await count(holder)
    await clock.pass(5)
  }
  const marks = () => holder.asked.filter((what) => what === 'mark sent')
  expect(holder.sent).toEqual([1, 2, 3])
  expect(marks()).toEqual([])
  await clock.pass(100)
  expect(marks()).toHaveLength(1)
  expect(Math.max(...[...database.relays.values()].map(({ position }) => position))).toBe(3)
})

test('what another process has written behind something that is not marked yet is sent when that is marked, and nothing twice', async () => {
  const [holder, other] = [await started(), await started()]
  await count(holder)
  await clock.pass(5)
  await count(other)
  await clock.pass(60)
  expect(topic.map(positionOf)).toEqual([1, 2])
  expect(holder.sent).toEqual([1, 2])
  // Not taken for a ledger that went back
  expect(holder.asked).not.toContain('hold lease')
})

test('once a mark was refused the lease is asked for, whatever is said of what was sent meanwhile', async () => {
  const holder = await started()
  const first = Promise.withResolvers<{ marked: boolean; kept: boolean }>()
  let marks = 0
  Object.assign(holder.ledger.database.store, { markSent: async () => (marks++ === 0 ? first.promise : { marked: true, kept: true }) })
  await count(holder)
  await clock.pass(110)
  await count(holder)
  await clock.pass(5)
  expect([marks, holder.sent]).toEqual([1, [1, 2]])
  // It is busy with more when that comes
  const third = Promise.withResolvers<void>()
  holder.send = (records) => third.promise.then(() => taken(records))
  await count(holder)
  await clock.pass(5)
  first.resolve({ marked: false, kept: false })
  await clock.pass(150)
  third.resolve()
  await clock.pass(150)
  expect(holder.asked).toContain('hold lease')
})

test('where others write, too, they are told sooner what was sent', async () => {
  const [holder, other] = [await started(), await started()]
  const marked = () => holder.asked.filter((what) => what === 'mark sent').length
  await count(holder)
  await clock.pass(50)
  expect(marked()).toBe(0)
  await clock.pass(100)
  expect(marked()).toBe(1)
  await count(other)
  await clock.pass(50)
  await count(holder)
  await clock.pass(50)
  expect(marked()).toBe(2)
})

test('who has sent what is not marked yet sends nothing of an older copy that took the place of its ledger row by row', async () => {
  const holder = await started()
  await count(holder)
  await clock.pass(100)
  const restore = backUp(database)
  await count(holder)
  await clock.pass(5)
  expect(holder.sent).toEqual([1, 2])
  const { incarnation } = database
  Object.defineProperty(database, 'incarnation', { value: incarnation })
  restore()
  // What it held then, and what comes behind that
  await count(holder)
  await count(holder)
  await clock.pass(5_000)
  expect(holder.sent).toEqual([1, 2])
  expect(holder.relay.state.state).toBe('restored_backup')
})
