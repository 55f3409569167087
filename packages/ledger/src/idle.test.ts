import type { Bus } from '@rondo/bus'
import { soundWire, type Wire } from '@rondo/bus/wire'
import { tell, toInstant } from '@rondo/kernel'
import { beforeEach, expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { HandClock } from '../test/hand-clock.ts'
import { order } from '../test/order-stream.ts'
import { type OpenLedger, openLedgerOn, startRelay } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

const began = Date.parse('2026-11-01T00:00:00Z')
let clock: HandClock
let database: ModelDatabase
let calls: string[]
const at = (seconds: number) => toInstant(new Date(began + seconds * 1000))

beforeEach(() => {
  clock = new HandClock()
  database = new ModelDatabase(() => began + clock.now())
  calls = []
})

async function opened(wire: Partial<Wire> = {}) {
  const counted: Wire = {
    ...soundWire,
    call(what, done) {
      calls.push(what)
      return soundWire.call(what, done)
    },
    ...wire,
  }
  const ledger = await openLedgerOn({ service, streams: [order], store: modelStore({ database, wire: counted }), clock })
  ledger.onCommit(() => undefined)
  ledger.startTimers()
  await clock.pass(0)
  calls = []
  return ledger
}

/** It reminds at the given second. */
function placed(id: string, second: number) {
  const one = unit([tell(order, id, 'placed', { item: 'later' })])
  return { ...one, cause: { ...one.cause, at: at(second) } }
}
const deaf = { notice: () => undefined }
const fired = (id: string) => database.events.filter(({ envelope }) => envelope.streamId === id && envelope.type.endsWith('reminded'))

test('an idle ledger asks its database every few seconds, not every second', async () => {
  const ledger = await opened()
  await clock.pass(60_000)
  // 2, 4, 8 and 16 s, and again 16; each ten seconds for what is due and what is next
  expect(calls.filter((what) => what === 'standing').length).toBeLessThanOrEqual(5)
  expect(calls.length).toBeLessThanOrEqual(17)
  await ledger.close()
})

test('a tell that becomes due while nothing happens is fired within a second', async () => {
  const ledger = await opened()
  await ledger.submit(placed('a', 27.5))
  await clock.pass(27_000)
  expect(fired('a')).toHaveLength(0)
  await clock.pass(1500)
  expect(fired('a')).toHaveLength(1)
  await ledger.close()
})

test('a tell that another process has made while this one rests is fired when it is due', async () => {
  const ledger = await opened()
  await clock.pass(20_500)
  const other = await openLedgerOn({ service, streams: [order], store: modelStore({ database }), clock })
  await other.submit(placed('a', 22))
  await clock.pass(2600)
  expect(fired('a')).toHaveLength(1)
  await Promise.all([ledger.close(), other.close()])
})

const relayOf = ({ database, onCommit, join }: OpenLedger, send: Bus['send'] = async () => []) => {
  const encode = () => ({ key: 'k', value: null, headers: {} })
  return startRelay({ database, onCommit, join, bus: { send, last: async () => [] }, topic: 't', encode })
}
const asked = (what: string) => calls.filter((one) => one === what).length

test('an idle relay asks for its lease every four seconds, and for nothing else', async () => {
  const ledger = await opened()
  const relay = relayOf(ledger)
  await clock.pass(0)
  calls = []
  await clock.pass(60_000)
  expect(relay.state.state).toBe('running')
  expect(asked('hold lease')).toBeLessThanOrEqual(15)
  expect(asked('chained')).toBe(0)
  await Promise.all([relay.stop(), ledger.close(), clock.pass(100)])
})

test('one that stands by asks every two seconds, however often it is woken, and takes over when the lease is given back', async () => {
  const other = await openLedgerOn({ service, streams: [order], store: modelStore({ database }), clock })
  const first = relayOf(other)
  await clock.pass(0)
  const ledger = await opened()
  const second = relayOf(ledger)
  await clock.pass(0)
  calls = []
  for (let times = 0; times < 100; times++) {
    await other.submit(unit([tell(order, 'a', 'count', 1)]))
    await clock.pass(100)
  }
  expect([first.state.state, second.state.state]).toEqual(['running', 'standby'])
  expect(asked('hold lease')).toBeLessThanOrEqual(5)
  expect(asked('chained')).toBe(0)
  await Promise.all([first.stop(), clock.pass(100)])
  await clock.pass(2_100)
  expect(second.state).toMatchObject({ state: 'running', position: 100 })
  await Promise.all([second.stop(), ledger.close(), other.close(), clock.pass(100)])
})

test('who sends tells others with its mark, and needs no statement more for it', async () => {
  const ledger = await opened()
  const relay = relayOf(ledger)
  const other = await openLedgerOn({ service, streams: [order], store: modelStore({ database }), clock })
  const seen: number[] = []
  other.onCommit((position) => seen.push(position))
  await clock.pass(100)
  calls = []
  await ledger.submit(unit([tell(order, 'a', 'count', 1)]))
  await clock.pass(110)
  expect(seen).toEqual([1])
  await clock.pass(2_000)
  expect([asked('mark sent'), asked('wake')]).toEqual([1, 0])
  await Promise.all([relay.stop(), ledger.close(), other.close(), clock.pass(100)])
})

test('others are woken all the same where nothing can be sent, and by who does not send', async () => {
  const ledger = await opened()
  const taken = Promise.withResolvers<[]>()
  const relay = relayOf(ledger, () => taken.promise)
  const other = await openLedgerOn({ service, streams: [order], store: modelStore({ database }), clock })
  const standby = relayOf(other)
  const [seen, own]: number[][] = [[], []]
  other.onCommit((position) => seen?.push(position))
  ledger.onCommit((position) => own?.push(position))
  await clock.pass(100)
  await ledger.submit(unit([tell(order, 'a', 'count', 1)]))
  await clock.pass(520)
  expect(seen).toEqual([1])
  expect(standby.state.state).toBe('standby')
  await other.submit(unit([tell(order, 'a', 'count', 1)]))
  await clock.pass(25)
  expect(own).toEqual([1, 2])
  taken.resolve([])
  await Promise.all([relay.stop(), standby.stop(), ledger.close(), other.close(), clock.pass(1_000)])
})

test('where wake-ups get lost a tell is fired within ten seconds', async () => {
  const ledger = await opened(deaf)
  await clock.pass(20_500)
  const other = await openLedgerOn({ service, streams: [order], store: modelStore({ database }), clock })
  await other.submit(placed('a', 22))
  await clock.pass(11_500)
  expect(fired('a')).toHaveLength(1)
  await Promise.all([ledger.close(), other.close()])
})

test('where wake-ups get lost the ledger is looked at more often from then on', async () => {
  const ledger = await opened(deaf)
  const seen: number[] = []
  ledger.onCommit(() => seen.push(clock.now()))
  await clock.pass(60_000)
  const other = await openLedgerOn({ service, streams: [order], store: modelStore({ database }), clock })
  await other.submit(unit([tell(order, 'a', 'count', 1)]))
  await clock.pass(16_000)
  expect(seen).toHaveLength(1)
  await other.submit(unit([tell(order, 'a', 'count', 1)]))
  const again = clock.now()
  await clock.pass(16_000)
  expect(seen).toHaveLength(2)
  expect((seen[1] ?? 0) - again).toBeLessThanOrEqual(16_000)
  await other.submit(unit([tell(order, 'a', 'count', 1)]))
  const third = clock.now()
  await clock.pass(8_000)
  expect((seen[2] ?? Number.POSITIVE_INFINITY) - third).toBeLessThanOrEqual(8_000)
  await Promise.all([ledger.close(), other.close()])
})
