import { expect, test } from 'vitest'
import { breathing } from './breath.ts'

test('between two faults something is acknowledged, less before a kill than before what lasts', () => {
  let acknowledged = 20
  const may = breathing(() => acknowledged, 20)
  expect([may('broker'), may('freeze'), may('gateway'), may('operations')]).toEqual([true, false, true, false])
  acknowledged += 4
  expect([may('broker'), may('operations')]).toEqual([false, true])
  acknowledged += 16
  expect(may('storm')).toBe(true)
})

test('a connection is ended at work only, and the copy is made in any case', () => {
  const may = breathing(() => 0, 20)
  expect([may('backend'), may('backup'), may('backend')]).toEqual([true, true, true])
})
