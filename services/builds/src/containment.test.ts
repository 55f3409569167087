import { readFileSync } from 'node:fs'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asker, type Commit, contains, graphOf, historyOf, newIn, requirementsIn } from './containment.ts'

const commit = (sha: string, parents: readonly string[] | undefined, more: Partial<Commit> = {}): Commit => ({
  sha,
  parents,
  reaches: [],
  shallow: false,
  committed_at: '2026-01-01T00:00:00.000000Z',
  implements: [],
  reverts: [],
  picked_from: [],
  ...more,
})
const asking = (...commits: Commit[]) => asker(graphOf(commits))

interface Vector {
  name: string
  given: {
    commits: { sha: string; parents: string[]; patch_id?: string }[]
    queries: ({ query: 'contains'; revision: string; commit: string } | { query: 'new_in'; old_revision: string; new_revision: string })[]
  }
  expect: {
    answers: (boolean | string[])[]
    same_patch_groups: string[][]
    reverts: { commit: string; reverts: string }[]
    picked_by_message: { commit: string; picked_from: string }[]
  }
}
const absent = sharedMissing('vectors', 'containment.json')
describe('real git graphs', () => {
  needs({ also: absent })
  const { cases } = absent
    ? { cases: [] }
    : (JSON.parse(readFileSync(shared('vectors', 'containment.json'), 'utf8')) as { cases: Vector[] })
  test('all of them are here', () => expect(cases.length).toBe(15))

  test.each(cases.map((one) => [one.name, one] as const))('ancestry: %s', (_, { given, expect: { answers } }) => {
    const graph = graphOf(given.commits.toReversed().map(({ sha, parents }) => commit(sha, parents)))
    const ask = asker(graph)
    const found = given.queries.map((query) =>
      query.query === 'contains'
        ? ask.history(query.revision).reach.has(query.commit)
        : [...newIn(ask, query.new_revision, query.old_revision)].sort(),
    )
    expect(found).toEqual(answers)
  })

  const messages = ({ given, expect: { reverts, picked_by_message } }: Vector) =>
    given.commits.map(({ sha, parents, patch_id }) =>
      commit(sha, parents, {
        patch_id,
        reverts: reverts.filter((one) => one.commit === sha).map((one) => one.reverts),
        picked_from: picked_by_message.filter((one) => one.commit === sha).map((one) => one.picked_from),
      }),
    )

  test.each(cases.map((one) => [one.name, one] as const))('containment: %s', (_, vector) => {
    const ask = asker(graphOf(messages(vector)))
    const { same_patch_groups: groups, reverts, picked_by_message: picks } = vector.expect
    for (const { query, ...rest } of vector.given.queries) {
      if (query !== 'contains' || !('commit' in rest)) continue
      const reach = historyOf(ask.graph, rest.revision).reach
      // said in other words than the code: a revert below which nothing re-applies the change
      const carriers = [
        rest.commit,
        ...groups.filter((group) => group.includes(rest.commit)).flat(),
        ...picks.filter((pick) => pick.picked_from === rest.commit).map((pick) => pick.commit),
      ].filter((sha) => reach.has(sha))
      const touched = reverts.some((one) => reach.has(one.commit) && [rest.commit, ...carriers].includes(one.reverts))
      const { answer } = contains(ask, rest.revision, rest.commit)
      if (!touched) expect([rest, answer]).toEqual([rest, carriers.length > 0 ? 'yes' : 'no'])
      else expect(answer).not.toBe('unknown')
    }
  })

  test('reverts: a reverted commit is not contained, and is again after the revert of the revert', () => {
    const vector = cases.find(({ name }) => name === 'reverts')!
    const ask = asker(graphOf(messages(vector)))
    // 61189d7516 ← 7b95222926 reverts it ← 81e9eaeb14 reverts the revert
    expect(contains(ask, '7b95222926', '61189d7516')).toMatchObject({ answer: 'no', restsOn: '7b95222926' })
    expect(contains(ask, '81e9eaeb14', '61189d7516')).toMatchObject({ answer: 'yes' })
  })
})

test('a shallow or unknown history answers unknown, with what is missing', () => {
  const tip = commit('b', ['a'])
  const cut = commit('a', ['z'], { shallow: true })
  expect(contains(asking(tip, cut), 'b', 'a')).toMatchObject({ answer: 'yes', restsOn: 'a' })
  expect(contains(asking(tip, cut), 'b', 'y')).toMatchObject({ answer: 'unknown', missing: ['z'] })
  const whole = asking(tip, commit('a', ['z']), commit('z', ['y']), commit('y', []))
  expect(contains(whole, 'b', 'y')).toMatchObject({ answer: 'yes', restsOn: 'y' })
  expect(contains(whole, 'y', 'b')).toMatchObject({ answer: 'no' })
  expect(contains(whole, 'b', 'nobody')).toMatchObject({ answer: 'unknown', missing: ['nobody'] })
  expect(contains(whole, 'never-seen', 'b')).toMatchObject({ answer: 'unknown', missing: ['never-seen'] })
  expect(contains(asking(tip, commit('a', [], { shallow: true })), 'b', 'y')).toMatchObject({ answer: 'unknown', missing: ['a'] })
})

test('a push tells no parents: what it reaches is a yes, what it does not is unknown', () => {
  const ask = asking(commit('b', undefined, { reaches: ['a'] }), commit('a', undefined), commit('c', []))
  expect(contains(ask, 'b', 'a')).toMatchObject({ answer: 'yes', restsOn: 'a' })
  expect(contains(ask, 'b', 'c')).toMatchObject({ answer: 'unknown', missing: ['a', 'b'] })
})

test('a revert, the revert of the revert, and a revert of that', () => {
  const history = [
    commit('a', []),
    commit('r1', ['a'], { reverts: ['a'] }),
    commit('r2', ['r1'], { reverts: ['r1'] }),
    commit('r3', ['r2'], { reverts: ['r2'] }),
  ]
  const ask = asking(...history)
  expect(['a', 'r1', 'r2', 'r3'].map((revision) => contains(ask, revision, 'a').answer)).toEqual(['yes', 'no', 'yes', 'no'])
  expect(contains(ask, 'r3', 'a')).toMatchObject({ restsOn: 'r1' })
})

test('applied again after the revert, as a new commit with the same patch', () => {
  const ask = asking(commit('a', [], { patch_id: 'p' }), commit('r', ['a'], { reverts: ['a'] }), commit('b', ['r'], { patch_id: 'p' }))
  expect(contains(ask, 'b', 'a')).toMatchObject({ answer: 'yes', restsOn: 'b' })
  expect(contains(ask, 'r', 'a')).toMatchObject({ answer: 'no' })
})

test('a revert on another branch takes nothing back here', () => {
  const ask = asking(commit('a', []), commit('r', ['a'], { reverts: ['a'] }), commit('b', ['a']))
  expect(contains(ask, 'b', 'a').answer).toBe('yes')
})

test('the pick of a change is taken back by a revert that names either', () => {
  const picked = commit('pick', ['base'], { picked_from: ['a'] })
  const ask = (reverts: string) => asking(commit('base', []), commit('a', ['base']), picked, commit('r', ['pick'], { reverts: [reverts] }))
  expect(contains(ask('a'), 'pick', 'a')).toMatchObject({ answer: 'yes', restsOn: 'pick' })
  expect(contains(ask('a'), 'r', 'a').answer).toBe('no')
  expect(contains(ask('pick'), 'r', 'a').answer).toBe('no')
})

test('reverting a merge takes back what it brought in, and nothing else', () => {
  const ask = asking(
    commit('base', [], { implements: ['REQ-0'] }),
    commit('main', ['base'], { implements: ['REQ-1'] }),
    commit('side', ['base'], { implements: ['REQ-2'] }),
    commit('merge', ['main', 'side'], { implements: ['REQ-3'] }),
    commit('r', ['merge'], { reverts: ['merge'] }),
  )
  expect(requirementsIn(ask, 'merge')).toEqual(['REQ-0', 'REQ-1', 'REQ-2', 'REQ-3'])
  expect(requirementsIn(ask, 'r')).toEqual(['REQ-0', 'REQ-1'])
})

test('a shortened id in a message is found where it fits one commit only', () => {
  const full = `abcdef1${'0'.repeat(33)}`
  const ask = asking(commit(full, []), commit('r', [full], { reverts: ['abcdef1'] }))
  expect(contains(ask, 'r', full).answer).toBe('no')
})

test('a long and a twisted history are answered without recursion', () => {
  const chain = Array.from({ length: 20_000 }, (_, n) =>
    commit(`c${n}`, n ? [`c${n - 1}`] : [], { implements: n % 100 ? [] : [`REQ-${n}`] }),
  )
  const ask = asking(...chain)
  expect(contains(ask, 'c19999', 'c0').answer).toBe('yes')
  expect(requirementsIn(ask, 'c19999').length).toBe(200)
})

test('what is known arrives in any order, and more of it never turns a yes of ancestry into a no', () => {
  const edges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 30 })
  fc.assert(
    fc.property(edges, fc.array(fc.nat(11)), fc.nat(11), fc.nat(11), (pairs, hidden, revision, change) => {
      const all = Array.from({ length: 12 }, (_, n) =>
        commit(`c${n}`, [...new Set(pairs.filter(([child, parent]) => child === n && parent < n).map(([, parent]) => `c${parent}`))]),
      )
      const whole = contains(asking(...all), `c${revision}`, `c${change}`)
      expect(contains(asking(...all.toReversed()), `c${revision}`, `c${change}`)).toEqual(whole)
      const some = contains(asking(...all.filter((_, n) => !hidden.includes(n))), `c${revision}`, `c${change}`)
      if (some.answer !== 'unknown') expect(some.answer).toBe(whole.answer)
      else expect(some.missing.length).toBeGreaterThan(0)
    }),
  )
})
