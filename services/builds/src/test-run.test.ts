import { testRun as fact } from '@rondo/contracts/builds'
import { at, given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { conflictOf, outcomeOf, testRun } from './test-run.ts'

const run = { source: 'https://testkube.example.org', run: 'ts-checkout-1', kind: 'suite' as const }
const fail = at('2026-11-17T11:00:00.299000Z', fact.observed({ ...run, phase: 'finished', outcome: 'failure' }))
const pass = at('2026-11-17T10:00:00.100000Z', fact.observed({ ...run, phase: 'finished', outcome: 'success' }))

test('two finishes of one run: the later one counts although the other arrived last, and the conflict is shown', () => {
  given(testRun, fail, pass).inAnyOrder().phase('finished')
  for (const order of [
    [fail, pass],
    [pass, fail],
    [pass, fail, pass],
  ]) {
    const state = told(
      testRun,
      order.map(({ data, occurredAt }) => ({ rule: 'observed', input: data, at: occurredAt })),
    )
    expect(outcomeOf(state)).toBe('failure')
    expect(conflictOf(state)).toMatch(/2 finishes of run ts-checkout-1 contradict each other/)
  }
})

test('one finish told twice is no conflict, and a late start changes nothing', () => {
  const start = fact.observed({ ...run, phase: 'started' })
  const state = told(
    testRun,
    [pass, pass, at('2026-11-17T09:00:00.000000Z', start)].map(({ data, occurredAt }) => ({
      rule: 'observed',
      input: data,
      at: occurredAt,
    })),
  )
  expect([outcomeOf(state), conflictOf(state), testRun.phase?.(state)]).toEqual(['success', undefined, 'finished'])
})

test('skipped is itself, and no pass', () => {
  given(testRun, fact.observed({ ...run, phase: 'skipped' })).phase('skipped')
})
