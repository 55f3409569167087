import { expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { brokenOf } from './broken.ts'
import { build } from './build.ts'

const found = (id: string, hour: number, outcome: string, name = 'ci') => ({
  id,
  version: 1,
  state: told(build, [
    {
      rule: 'observed',
      input: {
        source: 's',
        build: id,
        kind: 'pipeline',
        name,
        attempt: 1,
        phase: 'finished',
        outcome,
        revision: String(hour % 10).repeat(40),
        branch: 'main',
      },
      at: `2026-11-10T${String(hour).padStart(2, '0')}:00:00.000000Z`,
    },
  ]),
})
const shown = (...builds: ReturnType<typeof found>[]) =>
  brokenOf(builds).map(({ name, first, latest, since }) => [name, first.id, latest.id, since.slice(11, 13)])

test('who broke it: the first that failed after the last that succeeded', () => {
  expect(shown(found('4', 4, 'failure'), found('1', 1, 'failure'), found('2', 2, 'success'), found('3', 3, 'failure'))).toEqual([
    ['ci', '3', '4', '03'],
  ])
  expect(shown(found('1', 1, 'failure'), found('2', 2, 'success'))).toEqual([])
})

test('a cancelled build neither breaks nor heals, and each name is red for itself', () => {
  expect(shown(found('1', 1, 'failure'), found('2', 2, 'cancelled'), found('3', 3, 'success', 'lint'))).toEqual([['ci', '1', '1', '01']])
})
