import { expect, test } from 'vitest'
import { resting } from './rest.ts'

test('a burst of faults ends where too much waits to be read, and the next begins when it was read', () => {
  let [waiting, now] = [0, 0]
  const may = resting(
    () => waiting,
    () => now,
  )
  waiting = 8000
  expect(may('gateway')).toBe(true)
  now = 70
  expect([may('gateway'), may('broker-back'), may('server-stop'), may('backend')]).toEqual([false, false, false, true])
  waiting = 2000
  expect(may('gateway')).toBe(false)
  waiting = 500
  expect(may('gateway')).toBe(true)
})

test('nobody rests for longer than a minute, nor where nothing waits', () => {
  let [waiting, now] = [8000, 0]
  const may = resting(
    () => waiting,
    () => now,
  )
  now = 70
  expect(may('storm')).toBe(false)
  now = 131
  expect(may('storm')).toBe(true)
  waiting = 0
  now = 500
  expect(may('storm')).toBe(true)
})
