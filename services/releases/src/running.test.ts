import { expect, test } from 'vitest'
import { at } from '../test/world.ts'
import { type Deployment, deployment } from './deployment.ts'
import type { DeploymentState } from './deployment-history.ts'
import { runningOf } from './running.ts'

const marks = (...notices: readonly [DeploymentState, string][]): Deployment => ({
  ...deployment.initial,
  marks: notices.map(([state, hour]) => ({ state, at: at(`2026-11-12T${hour}:00Z`), share: 1 })),
})
const found = (states: Readonly<Record<string, Deployment>>) => Object.entries(states).map(([id, state]) => ({ id, version: 1, state }))
const runs = (states: Readonly<Record<string, Deployment>>) => {
  const running = runningOf(found(states))
  return running && [running.found.id, running.since.slice(11, 16)]
}

const first = marks(['succeeded', '10:00'], ['inactive', '12:01'])

test('the latest that succeeded runs', () => {
  expect(runs({})).toBeUndefined()
  expect(runs({ a: marks(['started', '09:00'], ['failed', '09:30']) })).toBeUndefined()
  expect(runs({ a: first, b: marks(['failed', '11:55'], ['succeeded', '12:00']) })).toEqual(['b', '12:00'])
})

test('a roll-back brings back what ran before, from then on', () => {
  expect(runs({ a: first, b: marks(['succeeded', '12:00'], ['rolled_back', '13:00']) })).toEqual(['a', '13:00'])
  expect(runs({ a: first, b: marks(['succeeded', '12:00'], ['rolled_back', '13:00'], ['succeeded', '14:00']) })).toEqual(['b', '14:00'])
})

test('what was removed, or became inactive with nothing after it, leaves nothing', () => {
  expect(runs({ a: first })).toBeUndefined()
  expect(runs({ a: marks(['succeeded', '10:00']), b: marks(['succeeded', '12:00'], ['removed', '13:00']) })).toBeUndefined()
})

test('a service that left as a whole leaves nothing until something is deployed again; a part of the traffic leaves the rest', () => {
  const whole = (hour: string): Deployment => ({
    ...deployment.initial,
    marks: [{ state: 'removed', at: at(`2026-11-12T${hour}:00Z`), share: 1, whole: true }],
  })
  const a = marks(['succeeded', '10:00'])
  expect(runs({ a, removal: whole('11:00') })).toBeUndefined()
  expect(runs({ a, removal: whole('11:00'), b: marks(['succeeded', '12:00']) })).toEqual(['b', '12:00'])
  const canary: Deployment = {
    ...deployment.initial,
    marks: (['succeeded', 'removed'] as const).map((state, n) => ({ state, at: at(`2026-11-12T1${n + 1}:00:00Z`), share: 0.1 })),
  }
  expect(runs({ a, canary })?.[0]).toBe('a')
})

test('a retry of what runs does not change since when', () => {
  expect(runs({ a: marks(['succeeded', '10:00'], ['succeeded', '11:00']) })).toEqual(['a', '10:00'])
})
