import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { expect, test } from 'vitest'
import { closingOf } from './report.ts'
import type { Result } from './run.ts'
import { added, documentOf, missing, nothingYet, owed, totals } from './totals.ts'

const leg = (changed: Partial<Result> = {}): Result => ({
  seed: 5,
  wanted: 100,
  missing: [],
  leftOut: [],
  restore: { running: true, services: ['operations'], takenBack: 7, seconds: 20 },
  acknowledged: 100,
  lost: [],
  twice: [],
  broken: [],
  left: [],
  fell: [],
  kills: [
    { kind: 'service', victim: 'gateway-1', at: 1, inFlight: 2 },
    { kind: 'backend', victim: 'connection of operations', at: 2, inFlight: 1 },
    { kind: 'broker', victim: 'broker', at: 3, inFlight: 0 },
  ],
  others: { 'Redis gone': 1 },
  tries: 150,
  answers: {},
  restarts: [1],
  seconds: { faults: 1, drain: 1, all: 3600 },
  ...changed,
})

test('legs add up; a kill that hit nobody is none, and the next leg has another seed', () => {
  const all = added(added(nothingYet(5), leg()), leg({ seed: 6 }))
  expect(all).toMatchObject({
    legs: 2,
    nextSeed: 7,
    acknowledged: 200,
    restores: 2,
    takenBack: 14,
    kills: { gateway: 2, backend: 2 },
    others: { 'Redis gone': 2 },
  })
  expect(all.kills.broker).toBeUndefined()
  expect(missing(all)).toContain('1,000 kills of broker')
  expect(missing(all)).toContain('998 kills of service')
  expect(all.faults).toMatchObject({ 'SIGKILL of a service': 2, 'SIGKILL of a broker': 0, 'Redis gone': 2 })
  expect(documentOf(all)).toContain('**200 messages acknowledged, 0 lost, 0 twice**')
  expect(documentOf(all)).toContain('| service (gateway 2, operations 0, requirements 0) | 2 of 1,000 |')
})

test('what an hour under faults comes to is told by the newest leg', () => {
  const all = added(added(nothingYet(5), leg()), leg({ seconds: { faults: 36, drain: 1, all: 60 }, acknowledged: 50 }))
  expect(documentOf(all)).toMatch(
    /newest leg \(60 s, 36 s of them under faults\).* kills of service 100, backend 100, server 0, broker 0, and to 5,000 acknowledged messages/,
  )
})

test('a kind of process is owed until it was killed a thousand times, whichever of its services were', () => {
  expect([...owed({ kills: { gateway: 600, operations: 300, requirements: 100, backend: 999, server: 1000 } })]).toEqual([
    'backend',
    'broker',
  ])
})

test('a leg in which a promise broke is named by its seed', () => {
  const all = added(nothingYet(5), leg({ lost: ['m1'] }))
  expect(all).toMatchObject({ lost: 1, brokenSeeds: [5] })
  expect(documentOf(all)).toContain('(seeds 5)')
})

test('a leg that was set aside, as what it found was mended, is told of', () => {
  const before = { ...nothingYet(5), mended: [{ seed: 4, what: 'an answer was empty' }] }
  const all = added(before, leg())
  expect(all).toMatchObject({ legs: 1, brokenSeeds: [], mended: before.mended })
  expect(documentOf(all)).toContain('broke in the leg of seed 4, which counts for nothing here: an answer was empty; that was mended')
})

test('the last line counts what was to be shown, and what failed is named before it', () => {
  expect(closingOf(leg({ wanted: 2, missing: ['Redis gone'] }))).toMatch(
    /^failed: each kind of fault was there: not Redis gone\n\d+ passed, 1 failed\n$/,
  )
  expect(closingOf(leg({ lost: [], broken: [{ promise: 'something new', what: 'broke' }] }))).toContain('failed: something new: broke')
  expect(closingOf(leg({ wanted: 3 }))).toContain('3 kills hit unacknowledged work: only 2 did')
})

test('docs/chaos.md tells what docs/chaos.json counts', () => {
  const [told, counted] = ['chaos.md', 'chaos.json'].map((name) => readFileSync(join(repositoryRoot(), 'docs', name), 'utf8'))
  expect(documentOf(totals.parse(JSON.parse(counted ?? '')))).toBe(told)
})
