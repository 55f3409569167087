import { beforeEach, expect, test } from 'vitest'
import type { Fetched } from './fetch.ts'
import { type Changes, FetchSession, type Places } from './fetch-session.ts'

const [a, b, c] = [0, 1, 2].map((partition) => ({ topic: 't', partition }))
if (!a || !b || !c) throw new Error('three places')

let session: FetchSession
let said: Changes[]
beforeEach(() => {
  session = new FetchSession()
  said = []
})

const answer = (id: number, errorCode = 0): Fetched => ({ clientSideThrottleTime: 0, errorCode, session: id, partitions: [] })
const fetched = (places: Places, answered: Fetched | Error) =>
  session.fetch(places, async (changes) => {
    said.push(changes)
    if (answered instanceof Error) throw answered
    return answered
  })
const began = { session: 0, epoch: 0, gone: [] }
const wanted = new Map([[a, 5n]])

test('the first fetch says all; each after it what is new, at another offset, or not wanted any more', async () => {
  const first = new Map([
    [a, 5n],
    [b, 7n],
  ])
  const moved = new Map([
    [a, 5n],
    [b, 8n],
    [c, 0n],
  ])
  const changed = new Map([
    [b, 8n],
    [c, 0n],
  ])
  for (const places of [first, first, moved, new Map([[c, 0n]])]) expect(await fetched(places, answer(9))).toEqual(answer(9))
  expect(said).toEqual([
    { ...began, changed: first },
    { session: 9, epoch: 1, changed: new Map(), gone: [] },
    { session: 9, epoch: 2, changed, gone: [] },
    { session: 9, epoch: 3, changed: new Map(), gone: [a, b] },
  ])
})

test('where it is not known what the broker has heard it begins anew, and names the session that this ends', async () => {
  await fetched(wanted, answer(9))
  await expect(fetched(wanted, new Error('the connection broke'))).rejects.toThrow('the connection broke')
  await fetched(wanted, answer(10))
  await fetched(wanted, answer(10))
  expect(said.slice(2)).toEqual([
    { ...began, session: 9, changed: wanted },
    { session: 10, epoch: 1, changed: new Map(), gone: [] },
  ])
})

test.each([70, 71])('where the broker says by %i that it is over it begins anew', async (code) => {
  await fetched(wanted, answer(9))
  expect(await fetched(wanted, answer(0, code))).toBeUndefined()
  await fetched(wanted, answer(10))
  expect(said[2]).toEqual({ ...began, session: 9, changed: wanted })
})

test('any other error is its caller’s, and it begins anew', async () => {
  await fetched(wanted, answer(9))
  expect(await fetched(wanted, answer(0, 58))).toEqual(answer(0, 58))
  await fetched(wanted, answer(10))
  expect(said[2]).toEqual({ ...began, session: 9, changed: wanted })
})

test('a broker that gives no session is told all each time', async () => {
  for (let times = 0; times < 3; times++) await fetched(wanted, answer(0))
  expect(said).toEqual(Array.from({ length: 3 }, () => ({ ...began, changed: wanted })))
})
