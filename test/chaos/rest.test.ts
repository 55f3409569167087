import { expect, test } from 'vitest'
import { resting } from './rest.ts'

test('a burst of faults ends where too much waits to be read, and the next begins when it was read', () => {
  let [waiting, now] = [0, 0]
  const turned: boolean[] = []
  const may = resting(
    () => waiting,
    () => now,
    (rests) => turned.push(rests),
  )
  waiting = 8000
  expect(may('gateway')).toBe(true)
  now = 110
  expect([may('gateway'), may('broker-back'), may('server-stop'), may('backend')]).toEqual([false, false, false, true])
  waiting = 3000
  expect(may('gateway')).toBe(false)
  waiting = 500
  expect(may('gateway')).toBe(true)
  expect(turned).toEqual([true, false])
})

test('nobody rests for longer than a minute, nor where nothing waits', () => {
  let [waiting, now] = [8000, 0]
  const may = resting(
    () => waiting,
    () => now,
    () => undefined,
  )
  now = 110
  expect(may('storm')).toBe(false)
  now = 171
  expect(may('storm')).toBe(true)
  waiting = 0
  now = 500
  expect(may('storm')).toBe(true)
})
