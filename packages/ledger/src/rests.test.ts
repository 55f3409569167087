import { soundWire } from '@rondo/bus/wire'
import { tell } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { type OpenLedger, openLedgerOn } from './index.ts'
import { backUp } from './model/backup.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'
import { Resting } from './rests.ts'

const cause = { at: '2026-01-01T00:00:00.000000Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
const items = ['tea', 'milk', 'salt', 'rice']

/** Numbers below `most`, the same ones each time. */
function numbers(seed: number): (most: number) => number {
  let state = seed
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
}

/** Two processes on one database that others go back with and set states right in: what a reaction wrote is what there was to be read then. */
async function livedThrough(seed: number) {
  const below = numbers(seed)
  let now = Date.now()
  const database = new ModelDatabase(() => ++now)
  let looked = 0
  const call: typeof soundWire.call = async (what, done) => {
    if (what === 'find') looked++
    return done()
  }
  const store = () => modelStore({ database, wire: { ...soundWire, call } })
  const ledgers = await Promise.all([0, 1].map(() => openLedgerOn({ service, streams: [order], store: store() })))
  const one = () => ledgers[below(2)] as OpenLedger
  const seen = { guessed: 0, again: 0 }
  let restore: (() => void) | undefined
  const other = async (): Promise<unknown> => {
    const what = below(12)
    const id = `o-${below(4)}`
    if (what === 0) restore = backUp(database)
    else if (what === 1) restore?.()
    else if (what === 2) {
      const key = `order/${id}`
      const stored = database.streams.get(key)
      if (stored) database.streams.set(key, { ...stored, state: '{"count":-5}' })
      await one().read.load(order, id)
      return one().rebuildPage({ from: undefined, repair: true })
    } else if (what < 8) return one().submit(unit([tell(order, id, 'count', 1 + below(9))], { cause }))
    else if (what < 11)
      return one().submit(unit([tell(order, `p-${seed}-${below(9)}`, 'placed', { item: items[below(4)] ?? '' })], { cause }))
    return undefined
  }
  for (let step = 0; step < 60; step++) {
    await other()
    const ledger = one()
    const [item, id, unknown] = [items[below(4)] ?? '', `o-${below(4)}`, `new-${below(3)}`]
    const read = async (from: OpenLedger['read']) => {
      const [holders, { count }] = await Promise.all([from.find(order, 'item', [item]), from.load(order, id)])
      return JSON.stringify([holders.map((found) => [found.id, found.version]), count, (await from.load(order, unknown)).count])
    }
    const guessing = ledger.guessing('a reaction')
    const log = `log-${seed}-${step}`
    const told = async (from: OpenLedger['read']) => [tell(order, log, 'placed', { item: await read(from) })]
    const before = looked
    const messages = await told(guessing.read)
    const rests = guessing.rests()
    // What was looked up stands as it was then
    const isGuessed = looked === before
    if (isGuessed) seen.guessed++
    if (below(2) === 0) await other()
    const again = () => {
      seen.again++
      return told(guessing.again)
    }
    const truth = await read((ledgers.find((each) => each !== ledger) ?? ledger).read)
    await ledger.submit(unit(messages, { cause, again, ...(rests ? { rests } : {}) }))
    if (isGuessed) expect((await ledger.read.load(order, log)).item, `seed ${seed}, step ${step}`).toBe(truth)
  }
  await Promise.all(ledgers.map((each) => each.close()))
  return seen
}

test('whatever becomes of the ledger, what a guess has told is what there was to be read when it was written', async () => {
  const all = { guessed: 0, again: 0 }
  for (let seed = 1; seed <= 40; seed++) {
    const { guessed, again } = await livedThrough(seed)
    all.guessed += guessed
    all.again += again
  }
  expect(all.guessed).toBeGreaterThan(300)
  expect(all.again).toBeGreaterThan(50)
})

test('two answers that cannot both be so are no guess', () => {
  const resting = new Resting()
  const row = { stream: 'order', id: 'o', version: 1, fold: 1 }
  const held = { stream: 'order', name: 'item', value: 'tea', ids: ['o'] }
  expect(resting.all).toBeUndefined()
  expect(resting.add({ read: [row], held: [held], seen: [] })).toBe(true)
  expect(resting.add({ read: [row], held: [held], seen: [] })).toBe(true)
  expect(resting.add({ read: [{ ...row, version: 2 }], held: [], seen: [] })).toBe(false)
  expect(resting.add({ read: [], held: [{ ...held, ids: ['o', 'p'] }], seen: [] })).toBe(false)
  expect(resting.all).toEqual({ read: [row], held: [held], seen: [] })
})
