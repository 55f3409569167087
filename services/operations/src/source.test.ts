import { source as fact } from '@rondo/contracts/operations'
import { at, given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { endedUnnamed, leftOut, merged, source } from './source.ts'

const t = (hour: number) => `2026-01-02T${String(hour).padStart(2, '0')}:00:00.000000Z`
const cut = { group_key: 'g', status: 'resolved' as const, listed: ['f1'], left_out: 4 }

test('a message that ended a group says nothing of the alerts that it did name', () => {
  const known = { ...source.initial, cuts: [{ ...cut, at: t(1) }] }
  expect(endedUnnamed(known, 'g', 'f1')).toBeUndefined()
  expect(endedUnnamed(known, 'g', 'f2')).toMatchObject({ at: t(1), left_out: 4 })
  expect(endedUnnamed(known, 'other', 'f2')).toBeUndefined()
  expect(endedUnnamed({ ...known, cuts: [{ ...cut, status: 'firing', at: t(1) }] }, 'g', 'f2')).toBeUndefined()
})

test('what was left out is added up, each message once', () => {
  given(source)
    .tell('cut', cut, { at: t(1), streamId: 'am' })
    .then(fact.cut({ source: 'am', ...cut }))
  given(source, at(t(1), fact.cut({ source: 'am', ...cut })))
    .tell('cut', cut, { at: t(1) })
    .nothing()
  const two = [
    at(t(1), fact.cut({ source: 'am', ...cut })),
    at(t(2), fact.cut({ source: 'am', ...cut, status: 'firing', left_out: 1 })),
  ] as const
  const cuts = [
    { ...cut, at: t(1) },
    { ...cut, status: 'firing' as const, left_out: 1, at: t(2) },
  ]
  given(source, ...two)
    .inAnyOrder()
    .state({ ...source.initial, cuts })
  expect(leftOut({ ...source.initial, cuts })).toEqual({ messages: 2, alerts: 5 })
})

test('a sender lives from one hearing to the next, unless nobody heard it for more than five hours', () => {
  const span = (from: number, to = from) => ({ from: t(from), to: t(to) })
  expect(merged([span(20), span(4), span(0), span(9), span(14)])).toEqual([span(0, 14), span(20)])
  const heard = (hour: number) => at(t(hour), fact.seen({ source: 'am', kind: 'alertmanager' }))
  given(source, heard(0), heard(9), heard(4))
    .inAnyOrder()
    .state({ ...source.initial, kind: 'alertmanager', alive: [span(0, 9)] })
  given(source, heard(0), heard(4))
    .tell('heard', { kind: 'alertmanager' }, { at: t(2) })
    .nothing()
})

test('it lived when what it tells of happened, and lives when it is heard', () => {
  given(source)
    .tell('heard', { kind: 'alertmanager', heard_at: t(8) }, { at: t(1), streamId: 'am' })
    .then(fact.seen({ source: 'am', kind: 'alertmanager' }), fact.seen({ source: 'am', kind: 'alertmanager', heard_at: t(8) }))
})
