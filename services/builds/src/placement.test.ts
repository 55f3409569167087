import { placement as fact } from '@rondo/contracts/builds'
import { given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { asker, graphOf } from './containment.ts'
import { baselineOf, changesOf, contentsOf, newChanges } from './contents.ts'
import { periodsOf, placement } from './placement.ts'

const digest = (digit: string) => `sha256:${digit.repeat(64)}`
const at = (hour: number) => `2026-11-10T${String(hour).padStart(2, '0')}:00:00.000000Z`
const sha = (digit: string) => digit.repeat(40)
type Outcome = 'succeeded' | 'rolled_back' | 'removed'
const deployed = (hour: number, deployment: string, artifact: string, outcome: Outcome = 'succeeded', share = 1) => ({
  rule: 'deployed',
  input: {
    service: 'shop',
    environment: 'production',
    production: true,
    deployment,
    artifact: digest(artifact),
    revision: sha(artifact),
    share,
    outcome,
    at: at(hour),
  },
  at: at(0),
})
const place = (...tellings: ReturnType<typeof deployed>[]) => told(placement, tellings, 'shop@production')
const running = (...tellings: ReturnType<typeof deployed>[]) =>
  periodsOf(place(...tellings)).map(({ since, running }) => [
    since.slice(11, 13),
    running.map(({ artifact, share }) => `${artifact[7]} ${share}`),
  ])

test('what runs is told by when deployments happened', () => {
  expect(running(deployed(2, 'd2', 'b'), deployed(1, 'd1', 'a'))).toEqual([
    ['01', ['a 1']],
    ['02', ['b 1']],
  ])
})

test('a roll-back brings back what ran before; without any, nothing runs', () => {
  expect(running(deployed(1, 'd1', 'a'), deployed(2, 'd2', 'b'), deployed(3, 'd2', 'b', 'rolled_back'))).toEqual([
    ['01', ['a 1']],
    ['02', ['b 1']],
    ['03', ['a 1']],
  ])
  expect(running(deployed(1, 'd1', 'a'), deployed(2, 'd1', 'a', 'removed'))).toEqual([
    ['01', ['a 1']],
    ['02', []],
  ])
})

const removedAt = (hour: number) => {
  const { input, ...when } = deployed(hour, `removal-${hour}`, 'a', 'removed', 0)
  const { artifact: _, revision: __, ...whole } = input
  return { ...when, input: whole } as ReturnType<typeof deployed>
}

test('unlike a roll-back, a removal brings back nothing; of a part of the traffic it leaves the rest', () => {
  const [a, b, canary] = [deployed(1, 'd1', 'a'), deployed(2, 'd2', 'b'), deployed(2, 'd2', 'b', 'succeeded', 0.1)]
  const gone = deployed(3, 'd2', 'b', 'removed')
  for (const order of [
    [a, b, gone],
    [gone, b, a],
  ])
    expect(running(...order).at(-1)).toEqual(['03', []])
  expect(running(a, canary, gone).at(-1)).toEqual(['03', ['a 1']])
  // the older one is cleared away after its successor has come
  expect(running(a, b, deployed(3, 'd1', 'a', 'removed')).at(-1)).toEqual(['02', ['b 1']])
})

test('a service that leaves the environment leaves nothing, whichever of its deployments are known when', () => {
  const [a, canary, gone, back] = [deployed(1, 'd1', 'a'), deployed(2, 'd2', 'b', 'succeeded', 0.1), removedAt(3), deployed(5, 'd3', 'c')]
  for (const order of [
    [a, canary, gone, back],
    [gone, back, canary, a],
  ])
    expect(running(...order).slice(2)).toEqual([
      ['03', []],
      ['05', ['c 1']],
    ])
})

test('what serves no traffic does not run', () => {
  expect(running(deployed(1, 'd1', 'a'), deployed(2, 'd2', 'b', 'succeeded', 0)).at(-1)).toEqual(['01', ['a 1']])
})

test('while traffic is shared both run', () => {
  expect(running(deployed(1, 'd1', 'a'), deployed(2, 'd2', 'b', 'succeeded', 0.1), deployed(3, 'd2', 'b'))).toEqual([
    ['01', ['a 1']],
    ['02', ['b 0.1', 'a 1']],
    ['03', ['b 1']],
  ])
})

const commit = (digit: string, parents: string[], implement: string[], reverts: string[] = []) => ({
  sha: sha(digit),
  parents: parents.map(sha),
  reaches: [],
  shallow: false,
  committed_at: at(1),
  implements: implement,
  reverts: reverts.map(sha),
  picked_from: [],
})
const a = commit('a', [], ['REQ-1'])
const b = commit('b', ['a'], ['REQ-2'])
const c = commit('c', ['b'], [], ['b'])
const history = asker(graphOf([a, b, c]))

const moves = (...tellings: ReturnType<typeof deployed>[]) =>
  changesOf(history, place(...tellings), new Map(), 1).map(({ since, entered, left, contains }) => [
    since.slice(11, 13),
    entered,
    left,
    contains,
  ])

test('what entered and left is told for each period against the one before it', () => {
  expect(moves(deployed(1, 'd1', 'a'), deployed(2, 'd2', 'b'), deployed(3, 'd2', 'b', 'rolled_back'))).toEqual([
    ['01', ['REQ-1'], [], ['REQ-1']],
    ['02', ['REQ-2'], [], ['REQ-1', 'REQ-2']],
    ['03', [], ['REQ-2'], ['REQ-1']],
  ])
  // a revert lets it leave although its commit is still an ancestor
  expect(moves(deployed(2, 'd2', 'b'), deployed(3, 'd3', 'c')).at(-1)).toEqual(['03', [], ['REQ-2'], ['REQ-1']])
})

test('that nothing runs is told with what ran until then and all that left with it', () => {
  for (const gone of [removedAt(4), deployed(4, 'd2', 'b', 'removed')]) {
    const [, , changed] = changesOf(history, place(deployed(1, 'd1', 'a'), gone, deployed(2, 'd2', 'b')), new Map(), 1)
    expect(changed).toMatchObject({
      artifact: digest('b'),
      deployment: gone.input.deployment,
      share: 0,
      since: at(4),
      left: ['REQ-1', 'REQ-2'],
      contains: [],
      changes_left: [sha('b'), sha('a')],
    })
  }
})

test('a change that turns out to have been none is taken back with what ran then', () => {
  const before = place(deployed(1, 'd1', 'a'), deployed(4, 'd1', 'a', 'removed'))
  const tellings = changesOf(history, before, new Map(), 1).map((input) => ({ rule: 'changed', input, at: at(4) }))
  expect(tellings.map(({ input }) => [input.since, input.left])).toEqual([
    [at(1), []],
    [at(4), ['REQ-1']],
  ])
  // it had been replaced before it was removed
  const known = told(placement, [deployed(1, 'd1', 'a'), deployed(4, 'd1', 'a', 'removed'), ...tellings, deployed(2, 'd2', 'b')])
  const [, , corrected] = changesOf(history, known, new Map(), 2)
  expect(corrected).toMatchObject({ since: at(4), artifact: digest('b'), share: 1, entered: [], left: [], contains: ['REQ-1', 'REQ-2'] })
})

test('an artifact whose commit is not known contains we know not what', () => {
  const { input, ...when } = deployed(1, 'd1', 'a')
  const { revision: _, ...unknown } = input
  const [changed] = changesOf(history, told(placement, [{ ...when, input: unknown }]), new Map(), 1)
  expect(changed).toMatchObject({ entered: [], contains: [], missing: [digest('a')] })
})

test('contents are new against what production ran at the artifact’s time', () => {
  const placements = [{ id: 'shop@production', version: 1, state: place(deployed(2, 'd1', 'a'), deployed(8, 'd2', 'c')) }]
  expect(baselineOf(placements, digest('b'), at(5))).toEqual({ artifact: digest('a'), revision: sha('a') })
  expect(baselineOf(placements, digest('b'), at(1))).toBeUndefined()
  const contents = (baseline: ReturnType<typeof baselineOf>, revision = 'b') => {
    const asked = { service: 'shop', revision: sha(revision), baseline }
    return contentsOf(history, asked, newChanges(history, asked), [])
  }
  expect(contents(baselineOf(placements, digest('b'), at(5)))).toMatchObject({
    changes: [sha('b')],
    requirements: ['REQ-2'],
    missing: [],
    baseline_artifact: digest('a'),
  })
  expect(contents(undefined)).toMatchObject({ changes: [sha('b'), sha('a')], requirements: ['REQ-1', 'REQ-2'] })
  expect(contents(undefined, 'c')).toMatchObject({ requirements: ['REQ-1'] })
  expect(contents({ artifact: digest('9') })).toMatchObject({ missing: [digest('9')] })
})

test('behind what both have nothing is missing', () => {
  const pushed = asker(graphOf([{ ...a, parents: undefined }, b]))
  const asked = { service: 'shop', revision: sha('b'), baseline: { artifact: digest('a'), revision: sha('a') } }
  expect(contentsOf(pushed, asked, newChanges(pushed, asked), []).missing).toEqual([sha('a')])
})

test('the same finding again says nothing, one that had seen less comes too late', () => {
  const [changed] = changesOf(history, place(deployed(1, 'd1', 'a')), new Map(), 5)
  given(placement, fact.changed(changed!))
    .tell('changed', { ...changed!, basis: 6 })
    .nothing()
  given(placement, fact.changed(changed!))
    .tell('changed', { ...changed!, entered: [], basis: 4 })
    .nothing()
  given(placement, fact.changed(changed!))
    .tell('changed', { ...changed!, entered: [], basis: 6 })
    .then(fact.changed({ ...changed!, entered: [], basis: 6 }))
})
