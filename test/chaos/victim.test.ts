import { expect, test } from 'vitest'
import { victimOf } from './faults.ts'
import type { Member } from './fleet.ts'
import { createRandom } from './random.ts'

const member = (service: string, replica: number, up = true) =>
  ({ service, replica, up, needed: false, name: `${service}-${replica}` }) as Member
const fleet = (...down: readonly string[]) =>
  ['gateway', 'operations', 'requirements'].flatMap((service) =>
    [0, 1].map((replica) => member(service, replica, !down.includes(`${service}-${replica}`))),
  )
/** How often each is picked out of 400. */
const picked = (members: readonly Member[], service: string) => {
  const random = createRandom(1)
  const names = Array.from({ length: 400 }, () => victimOf({ members, random, bothDown: 0.15 }, service)?.name ?? 'nobody')
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]))
}

test('while one of a side is gone, mostly others of that side are killed: the other one goes on', () => {
  const { 'operations-0': same = 0, 'operations-1': other = 0 } = picked(fleet('gateway-0'), 'operations')
  expect(same).toBeGreaterThan(5 * other)
  expect(other).toBeGreaterThan(0)
})

test('where all are there each is killed as often as its like', () => {
  const { 'gateway-0': one = 0, 'gateway-1': other = 0 } = picked(fleet(), 'gateway')
  expect(Math.min(one, other)).toBeGreaterThan(150)
})

test('with four gone nobody more is killed', () => {
  expect(picked(fleet('gateway-0', 'operations-0', 'requirements-0', 'operations-1'), 'gateway')).toEqual({ nobody: 400 })
})
