import { beforeEach, expect, test } from 'vitest'
import { FetchSession, isSessionOver } from './fetch-session.ts'

const [a, b, c] = [0, 1, 2].map((partition) => ({ topic: 't', partition }))
if (!a || !b || !c) throw new Error('three places')

let session: FetchSession
beforeEach(() => {
  session = new FetchSession()
})

const began = { session: 0, epoch: 0, gone: [] }

test('the first fetch says all; each after it what is new, at another offset, or not wanted any more', () => {
  const first = new Map([
    [a, 5n],
    [b, 7n],
  ])
  expect(session.next(first)).toEqual({ ...began, changed: first })
  session.answered(9)
  expect(session.next(first)).toEqual({ session: 9, epoch: 1, changed: new Map(), gone: [] })
  session.answered(9)
  const moved = new Map([
    [a, 5n],
    [b, 8n],
    [c, 0n],
  ])
  const changed = new Map([
    [b, 8n],
    [c, 0n],
  ])
  expect(session.next(moved)).toEqual({ session: 9, epoch: 2, changed, gone: [] })
  session.answered(9)
  expect(session.next(new Map([[c, 0n]]))).toEqual({ session: 9, epoch: 3, changed: new Map(), gone: [a, b] })
})

test('where it is not known what the broker has heard it begins anew, and names the session that this ends', () => {
  const wanted = new Map([[a, 5n]])
  session.next(wanted)
  session.answered(9)
  session.lost()
  expect(session.next(wanted)).toEqual({ ...began, session: 9, changed: wanted })
  session.answered(10)
  expect(session.next(wanted)).toEqual({ session: 10, epoch: 1, changed: new Map(), gone: [] })
})

test('a broker that gives no session is told all each time', () => {
  const wanted = new Map([[a, 5n]])
  for (let times = 0; times < 3; times++) {
    expect(session.next(wanted)).toEqual({ ...began, changed: wanted })
    session.answered(0)
  }
})

test('a broker that has forgotten it, or has heard another fetch, says so by codes of their own', () => {
  expect([0, 6, 70, 71].map(isSessionOver)).toEqual([false, false, true, true])
})
