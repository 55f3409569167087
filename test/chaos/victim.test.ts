import { expect, test } from 'vitest'
import { hostOf, victimOf } from './faults.ts'
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

const host = (members: readonly Member[], bothDown = 0) =>
  hostOf({ members: [...members, member('several', 0)], random: createRandom(1), bothDown }).map(({ name }) => name)

test('a host dies with all that runs on it, and only while the other one is whole', () => {
  expect(['gateway-0,operations-0,requirements-0', 'gateway-1,operations-1,requirements-1']).toContain(host(fleet()).join())
  expect(host(fleet('operations-0'))).toEqual([])
  expect(host(fleet('operations-0'), 1)).toEqual(['gateway-1', 'operations-1', 'requirements-1'])
})

test('who stands still, and who is to take over from it, are left alone; what else is on their hosts is not', () => {
  const members = fleet('operations-0')
  for (const one of members) if (one.service === 'operations') one.needed = true
  expect(['gateway-0,requirements-0', 'gateway-1,requirements-1']).toContain(host(members).join())
})
