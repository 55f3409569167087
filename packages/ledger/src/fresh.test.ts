import type { Envelope } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { FreshWrites } from './fresh.ts'
import type { Fresh } from './store.ts'

const ledger = { epoch: 1, incarnation: 'one' }
const event = (position: number): Envelope => ({
  position,
  id: String(position),
  stream: 'order',
  streamId: 'a',
  version: position,
  partition: 0,
  type: 'rondo.testing.order.counted',
  schemaVersion: 1,
  data: {},
  occurredAt: '',
  recordedAt: `at ${position}`,
  actor: 'a',
  correlationId: 'c',
  causationId: 'c',
  loopIds: [],
})
/** Written at a moment when everything up to `marked` was marked as sent. */
const written = (at: number, positions: readonly number[], marked: number, of: Partial<Fresh> = {}): Fresh => ({
  ...ledger,
  at,
  marked,
  behind: event((positions[0] ?? 0) - 1).recordedAt,
  batch: positions.map((position) => ({ event: event(position), previous: position - 1 })),
  ...of,
})
const positions = (found: { readonly batch: Fresh['batch'] } | undefined) => found?.batch.map(({ event: { position } }) => position)

function known(at = 0, marked = 0): FreshWrites {
  const fresh = new FreshWrites()
  fresh.knownAnew(at, marked)
  return fresh
}

test('what was written when all before it was sent is taken, and what follows that', () => {
  const fresh = known()
  expect(fresh.offer(written(1, [4, 5], 3), ledger)).toBe(true)
  expect(fresh.offer(written(1, [6], 3), ledger)).toBe(true)
  expect(fresh.ends(6)).toBe(true)
  const { next, isAll } = fresh.beside(300, ledger)
  expect([next?.from, positions(next), isAll]).toEqual([3, [4, 5, 6], true])
})

test('what was written when something before it was not sent is not taken', () => {
  const fresh = known()
  expect(fresh.offer(written(1, [4], 2), ledger)).toBe(false)
  expect(fresh.ends(4)).toBe(false)
})

test('what was taken behind something that was not sent in the end is given back', () => {
  const fresh = known()
  fresh.offer(written(1, [4], 3), ledger)
  fresh.beside(300, ledger)
  // The first is on its way, and nobody has said that it was sent
  fresh.offer(written(1, [5], 3), ledger)
  expect(fresh.beside(300, ledger)).toEqual({ next: undefined, isAll: false })
  expect(fresh.ends(5)).toBe(false)
})

test('what was taken behind something that this process has sent goes on', () => {
  const fresh = known()
  fresh.offer(written(1, [4], 3), ledger)
  fresh.beside(300, ledger)
  fresh.offer(written(1, [5], 3), ledger)
  fresh.sentTo(event(4))
  expect(positions(fresh.beside(300, ledger).next)).toEqual([5])
})

test('of what waits only what nobody can have sent yet is sent', () => {
  const fresh = known()
  fresh.offer(written(1, [4], 3), ledger)
  // Others have sent 4 and 5 since
  fresh.offer(written(1, [6], 5), ledger)
  const { next, isAll } = fresh.beside(300, ledger)
  expect([positions(next), isAll]).toEqual([[6], true])
})

test('nothing of another history is taken, nor sent', () => {
  for (const other of [{ epoch: 2 }, { incarnation: 'another' }]) {
    const fresh = known()
    expect(fresh.offer(written(1, [4], 3, other), ledger)).toBe(false)
    fresh.add(written(1, [4], 3, other))
    expect(fresh.after(3, 300, ledger)).toBeUndefined()
  }
})

test('behind what another process has sent only what was written when the ledger knew of it', () => {
  const fresh = known(0, 3)
  fresh.add(written(1, [6], 3))
  expect(fresh.after(5, 300, ledger)).toBeUndefined()
  fresh.add(written(1, [6], 5))
  expect(positions(fresh.after(5, 300, ledger))).toEqual([6])
  fresh.sentTo(event(6))
  fresh.add(written(1, [7], 5))
  expect(positions(fresh.after(6, 300, ledger))).toEqual([7])
})

test('nothing counts that was written before the ledger was asked last, or when it knew less than it had said', () => {
  const fresh = known(5, 3)
  fresh.add(written(4, [4], 3))
  expect(fresh.after(3, 300, ledger)).toBeUndefined()
  fresh.known(6, 4)
  fresh.sentTo(event(4))
  fresh.add(written(7, [5], 3))
  expect(fresh.after(4, 300, ledger)).toBeUndefined()
})

test('behind what was sent and could not be marked nothing is sent', () => {
  const fresh = known()
  fresh.offer(written(1, [4], 3), ledger)
  fresh.sentTo(event(4))
  expect(fresh.forget()).toBe(true)
  expect(fresh.offer(written(1, [5], 3), ledger)).toBe(false)
  fresh.add(written(1, [5], 3))
  expect(fresh.after(4, 300, ledger)).toBeUndefined()
})

test('what was written behind the very event that was sent last goes on there', () => {
  const fresh = known()
  expect(fresh.goesOn()).toBe(false)
  fresh.add(written(1, [5], 3))
  expect(fresh.goesOn()).toBe(false)
  fresh.sentTo(event(4))
  expect(fresh.goesOn()).toBe(true)
  expect(positions(fresh.after(4, 300, ledger))).toEqual([5])
  expect(fresh.goesOn()).toBe(false)
})

test('behind another event at the place of the one that was sent nothing goes on', () => {
  const fresh = known()
  fresh.sentTo(event(4))
  fresh.add(written(1, [5], 3, { behind: 'another time' }))
  expect(fresh.goesOn()).toBe(false)
  expect(fresh.after(4, 300, ledger)).toBeUndefined()
})

test('of what waits nothing is taken that was written behind another event than the one before it', () => {
  const fresh = known()
  fresh.add(written(1, [4], 3))
  fresh.add(written(1, [5], 3, { behind: 'another time' }))
  expect(positions(fresh.after(3, 300, ledger))).toEqual([4])
})

test('what lies before the place that it is asked from is not taken again, nor what does not go on there', () => {
  const fresh = known()
  fresh.add(written(1, [4], 3))
  fresh.add(written(1, [8], 7))
  expect(fresh.after(5, 300, ledger)).toBeUndefined()
})
