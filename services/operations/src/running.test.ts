import { expect, test } from 'vitest'
import { type Placement, type Running, running } from './running.ts'

const placed = (since: string, share: number): Placement => ({
  deployment: 'd-1',
  artifact: `sha256:${'a1'.repeat(32)}`,
  since: `${since}.000000Z`,
  share,
  contains: [],
  entered: [],
  left: [],
  changes_entered: [],
  told: 1,
})
const phaseOf = (...placements: readonly Placement[]) => running.phase?.({ placements } satisfies Running)

test('is empty after the service was removed, and running when it is back', () => {
  const [first, removed, again] = [placed('2026-11-25T08:00:00', 1), placed('2026-11-25T09:00:00', 0), placed('2026-11-25T10:00:00', 0.5)]
  expect(phaseOf()).toBe('unseen')
  expect(phaseOf(first)).toBe('running')
  expect(phaseOf(first, removed)).toBe('empty')
  expect(phaseOf(first, removed, again)).toBe('running')
})
