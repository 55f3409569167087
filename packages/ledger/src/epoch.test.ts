import { expect, test } from 'vitest'
import { epochOf } from './epoch.ts'

test('an event keeps the epoch under which it was recorded; where two began behind one position, the later counts', () => {
  expect(epochOf([], 7)).toBe(1)
  const raised = [
    { epoch: 2, after: 3 },
    { epoch: 4, after: 5 },
    { epoch: 5, after: 5 },
  ]
  expect([1, 3, 4, 5, 6, 9].map((position) => epochOf(raised, position))).toEqual([1, 1, 2, 2, 5, 5])
})
