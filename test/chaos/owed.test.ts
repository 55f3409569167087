import { expect, test } from 'vitest'
import { Owed } from './owed.ts'
import type { FaultName } from './schedule.ts'

test('what could not begin in its turn is before whose turn is next, and comes once', () => {
  const owed = new Owed()
  const running = new Set<FaultName>(['storm'])
  const rests = (fault: FaultName) => !running.has(fault)
  const turn = (fault: FaultName, may: (fault: FaultName) => boolean = rests) => owed.next(fault, may)
  expect([turn('redis', () => false), turn('storm', () => false), turn('redis', () => false)]).toEqual([undefined, undefined, undefined])
  expect(turn('broker')).toBe('redis')
  running.clear()
  expect(turn('freeze')).toBe('storm')
  expect([turn('freeze'), turn('freeze'), turn('freeze')]).toEqual(['broker', 'freeze', 'freeze'])
})
