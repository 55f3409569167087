import { Cut, soundWire } from '@rondo/bus/wire'
import { ask, tell } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { order, orderOfFold2 } from '../test/order-stream.ts'
import { openLedgerOn } from './index.ts'
import { backUp } from './model/backup.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'
import { StoreClock } from './store-clock.ts'
import { GuessWindow, Trust } from './trust.ts'

test('a state of a lower fold, which an older copy may bring back, is not taken for one of the present', async () => {
  const database = new ModelDatabase()
  const former = await openLedgerOn({ service, streams: [order], store: modelStore({ database }) })
  await former.submit(unit([tell(order, 'a', 'count', 1)]))
  const restore = backUp(database)
  const ledger = await openLedgerOn({ service, streams: [orderOfFold2], store: modelStore({ database }) })
  restore()
  await ledger.submit(unit([tell(orderOfFold2, 'b', 'count', 1)]))
  expect(await ledger.read.load(orderOfFold2, 'a')).toEqual({ count: 2 })
  const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
  await ledger.submit(unit([tell(orderOfFold2, 'a', 'count', 1)], { cause }))
  expect(await ledger.read.load(orderOfFold2, 'a')).toEqual({ count: 4 })
})

test.each(['before it was done', 'after it was done'] as const)('a guess whose reply was lost %s is written once', async (when) => {
  const database = new ModelDatabase()
  let cuts = 0
  let requests: string[] = []
  const wire: typeof soundWire = {
    ...soundWire,
    async call(what, done) {
      requests.push(what)
      if (what !== 'append' || cuts === 0) return done()
      cuts--
      if (when === 'after it was done') await done()
      throw new Cut('nobody has heard')
    },
  }
  const ledger = await openLedgerOn({ service, streams: [order], store: modelStore({ database, wire }) })
  const place = (id: string) => unit([ask(order, id, 'place', { item: 'tea' })])
  for (const id of ['1', '2', '3', '4']) await ledger.submit(place(id))
  ;[cuts, requests] = [1, []]
  const given = place('5')
  expect(await ledger.submit(given)).toMatchObject({ duplicate: false, results: [{ version: 1 }] })
  expect(requests).not.toContain('load')
  expect(await ledger.submit(given)).toMatchObject({ duplicate: true })
  expect(await ledger.events(0, 10)).toHaveLength(5)
})

test('the store’s clock is known from the quickest of its latest replies, and for some seconds', () => {
  let now = 1_000
  const clock = new StoreClock({ now: () => now } as ConstructorParameters<typeof StoreClock>[0])
  expect(clock.now()).toBeUndefined()
  clock.told('2026-01-01T00:00:01.000875Z')
  now += 0.25
  expect(clock.now()).toBe('2026-01-01T00:00:01.001125Z')
  // One that came slower says less
  clock.heard('2026-01-01T00:00:01.000875Z')
  expect(clock.now()).toBe('2026-01-01T00:00:01.001125Z')
  clock.heard('2026-01-01T00:00:01.002000Z')
  expect(clock.now()).toBe('2026-01-01T00:00:01.002000Z')
  now += 2_001
  clock.heard('2026-01-01T00:00:02.000000Z')
  expect(clock.now()).toBe('2026-01-01T00:00:02.000000Z')
  now += 5_001
  expect(clock.now()).toBeUndefined()
})

test('what came true often enough is trusted until it does not', () => {
  const [given, earned] = [new Trust(true), new Trust(false)]
  given.saw('order', true)
  expect([given.has('order'), earned.has('order')]).toEqual([true, false])
  for (let n = 0; n < 4; n++) earned.saw('order', true)
  expect([earned.has('order'), earned.has('other')]).toEqual([true, false])
  for (const trust of [given, earned]) trust.saw('order', false)
  expect([given.has('order'), earned.has('order')]).toEqual([false, false])
})

test('twice as many are guessed together each time about so many came true four times, and the fewest again where one did not', () => {
  const window = new GuessWindow()
  const saw = (units: number, times: number) => {
    for (let n = 0; n < times; n++) window.saw(units, true)
    return window.size
  }
  expect([window.size, saw(8, 9), saw(9, 3), saw(16, 1)]).toEqual([16, 16, 16, 32])
  expect([saw(16, 9), saw(500, 4), saw(500, 20)]).toEqual([32, 64, 512])
  window.saw(16, false)
  expect(window.size).toBe(512)
  window.saw(17, false)
  expect(window.size).toBe(16)
})

/** Numbers below `most`, the same ones each time. */
function numbers(seed: number): (most: number) => number {
  let state = seed
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
}

/** Two processes on one database that others go back with, set states right in and set the clock of, for so many steps. */
async function livedThrough(seed: number): Promise<{ readonly database: ModelDatabase; readonly differing: readonly object[] }> {
  const below = numbers(seed)
  // No two moments are the same: PostgreSQL's clock has microseconds, and no copy is put back in one
  let [skew, now] = [0, Date.now()]
  const database = new ModelDatabase(() => ++now + skew)
  const ledgers = await Promise.all([0, 1].map(() => openLedgerOn({ service, streams: [order], store: modelStore({ database }) })))
  const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
  let restore: (() => void) | undefined
  for (let step = 0; step < 40; step++) {
    const ledger = ledgers[below(2)]!
    const id = `o-${below(3)}`
    const what = below(20)
    if (what === 0) restore = backUp(database)
    else if (what === 1) restore?.()
    else if (what === 2) skew += (below(2) - 0.5) * 1_200_000
    else if (what === 3) {
      const key = `order/${id}`
      const stored = database.streams.get(key)
      if (stored) database.streams.set(key, { ...stored, state: '{"count":-5}' })
      await ledger.read.load(order, id)
      await ledgers[below(2)]!.rebuildPage({ from: undefined, repair: true })
    } else if (what < 7) await ledger.read.load(order, id)
    else await ledger.submit(unit([tell(order, id, 'count', 1 + below(9))], what < 14 ? { cause } : {}))
  }
  const { differing } = await ledgers[0]!.rebuildPage({ from: undefined, repair: false })
  await Promise.all(ledgers.map((ledger) => ledger.close()))
  return { database, differing }
}

test('whatever becomes of the ledger, states are those of its events, whose versions have no gap', async () => {
  for (let seed = 1; seed <= 80; seed++) {
    const { database, differing } = await livedThrough(seed)
    expect(differing, `seed ${seed}`).toEqual([])
    for (const [key, { version }] of database.streams) {
      const versions = database.events.flatMap(({ envelope }) => (key === `order/${envelope.streamId}` ? [envelope.version] : []))
      expect(versions, `${key} of seed ${seed}`).toEqual(Array.from({ length: version }, (_, n) => n + 1))
    }
  }
})

/** A ledger whose requests are counted by their kind. */
async function counted(now?: () => number, database = new ModelDatabase(now)) {
  const requests: string[] = []
  const call: typeof soundWire.call = async (what, done) => {
    requests.push(what)
    return done()
  }
  const store = modelStore({ database, wire: { ...soundWire, call } })
  const ledger = await openLedgerOn({ service, streams: [order], store })
  const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
  return {
    count: (id: string) => ledger.submit(unit([tell(order, id, 'count', 1)], { cause })),
    place: (id: string) => ledger.submit(unit([tell(order, id, 'placed', { item: id }), tell(order, id, 'count', 1)], { cause })),
    loads: () => requests.filter((what) => what === 'load').length,
    appends: () => requests.filter((what) => what === 'append').length,
  }
}

test('of the streams that were touched only the latest are kept', async () => {
  const { count, loads } = await counted()
  for (let n = 0; n < 300; n++) await count(`o-${n}`)
  const before = loads()
  await count('o-299')
  expect(loads()).toBe(before)
  await count('o-0')
  expect(loads()).toBe(before + 1)
})

test('that one tell goes on with what others have begun takes no trust from one that begins', async () => {
  const database = new ModelDatabase()
  const [one, two] = [await counted(undefined, database), await counted(undefined, database)]
  for (let n = 0; n < 5; n++) await one.place(`mine-${n}`)
  for (let n = 0; n < 3; n++) {
    await two.place(`theirs-${n}`)
    await one.count(`theirs-${n}`)
  }
  const before = one.loads()
  await one.place('another')
  expect(one.loads()).toBe(before)
  await one.count('nobody has begun it')
  expect(one.loads()).toBe(before + 1)
})

test('a batch that is written while the millisecond changes was written in one moment: its stream is as it is known', async () => {
  let now = Date.now()
  const { count, loads } = await counted(() => ++now)
  await count('o')
  await count('o')
  expect(loads()).toBe(1)
})

test('many are decided on guesses together once as many came true, and loaded again where one did not', async () => {
  const database = new ModelDatabase()
  const [one, two] = [await counted(undefined, database), await counted(undefined, database)]
  let made = 0
  const loadsOf = async (others: readonly string[] = []) => {
    const before = one.loads()
    const ids = Array.from({ length: 40 }, () => `many-${made++}`)
    await Promise.all([...ids, ...others].map((id) => one.place(id)))
    return one.loads() - before
  }
  const loads: number[] = []
  for (let n = 0; n < 10; n++) loads.push(await loadsOf())
  expect(loads).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
  await two.place('theirs')
  expect([await loadsOf(['theirs']), await loadsOf()]).toEqual([1, 1])
})

test('where one of many never comes as it would have been guessed, they are not guessed', async () => {
  const database = new ModelDatabase()
  const [one, two] = [await counted(undefined, database), await counted(undefined, database)]
  for (let n = 0; n < 20; n++) {
    await two.place(`theirs-${n}`)
    const before = one.appends()
    await Promise.all([`theirs-${n}`, ...Array.from({ length: 39 }, (_, m) => `mine-${n}-${m}`)].map((id) => one.place(id)))
    expect(one.appends() - before).toBe(1)
  }
})
