import { expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { change, implementedBy, type MergeRequestObserved, mentionedBy, mergedAs, type Observed } from './change.ts'

const sha = (digit: string) => digit.repeat(40)
const repository = { host: 'github.com', full_name: 'example/shop', id: '1' }
const ada = { actor: 'person:ada@example.org', role: 'author' as const }
const observed = (more: Partial<Observed> = {}): Observed => ({
  repository,
  sha: sha('a'),
  message: 'Round totals\n\nFixes: REQ-1\nRefs: REQ-2',
  committed_at: '2026-11-10T09:00:00.000000Z',
  contributors: [ada],
  ...more,
})
const request = (more: Partial<MergeRequestObserved> = {}): MergeRequestObserved => ({
  repository,
  number: 77,
  state: 'merged',
  title: 'Faster search',
  body: 'Closes REQ-3',
  head: sha('c'),
  merge_sha: sha('a'),
  contributors: [
    { actor: 'unknown:deleted-account', role: 'author' },
    { actor: 'person:grace', role: 'merger' },
  ],
  ...more,
})
const now = '2026-11-10T10:00:00.000000Z'
const stateOf = (...tellings: { rule: 'observed' | 'mergeRequest'; input: unknown; at?: string }[]) =>
  told(
    change,
    tellings.map((one) => ({ at: now, ...one })),
  )

test('a push tells no parents, an import does; either first', () => {
  const push = { rule: 'observed' as const, input: observed({ reaches: [sha('b')] }) }
  const full = { rule: 'observed' as const, input: observed({ parents: [sha('b')], patch_id: 'p' }) }
  expect(stateOf(push, full)).toEqual(stateOf(full, push))
  expect(stateOf(push, full, push)).toMatchObject({ parents: [sha('b')], reaches: [sha('b')], patch_id: 'p' })
  expect(stateOf(push).parents).toBeUndefined()
})

test('seen whole once it is known whole, whichever clone was read first', () => {
  const cut = { rule: 'observed' as const, input: observed({ parents: [sha('b')], shallow: true }) }
  const whole = { rule: 'observed' as const, input: observed({ parents: [sha('b')] }) }
  expect([stateOf(cut).shallow, stateOf(cut, whole).shallow, stateOf(whole, cut).shallow]).toEqual([true, false, false])
})

test('the same commit again says nothing', () => {
  const [recorded] = [observed({ parents: [] })]
  const state = stateOf({ rule: 'observed', input: recorded })
  expect(state.implements).toEqual(['REQ-1'])
  expect(stateOf({ rule: 'observed', input: recorded }, { rule: 'observed', input: recorded })).toEqual(state)
})

test('a merge request adds people and references to the commit it was merged as', () => {
  const state = stateOf({ rule: 'mergeRequest', input: request() }, { rule: 'observed', input: observed() })
  expect([implementedBy(state), mentionedBy(state), change.phase?.(state), change.loops?.(state, '')]).toEqual([
    ['REQ-1', 'REQ-3'],
    ['REQ-2'],
    'recorded',
    ['REQ-1', 'REQ-3'],
  ])
  expect(state.contributors.map(({ actor, role }) => `${actor} ${role}`)).toEqual([
    'person:ada@example.org author',
    'person:grace merger',
    'unknown:deleted-account author',
  ])
})

test('only a merge makes the trial merge of a platform a commit of the branch', () => {
  expect([mergedAs(request()), mergedAs(request({ state: 'open' })), mergedAs(request({ merge_sha: undefined }))]).toEqual([
    sha('a'),
    sha('c'),
    sha('c'),
  ])
  expect(change.phase?.(stateOf({ rule: 'mergeRequest', input: request() }))).toBe('merged')
  expect(change.phase?.(stateOf({ rule: 'mergeRequest', input: request({ state: 'open' }) }))).toBe('proposed')
})

test('a title that was edited counts as it is now, by when it was edited', () => {
  const early = { rule: 'mergeRequest' as const, input: request(), at: '2026-11-10T10:00:00.000000Z' }
  const late = { rule: 'mergeRequest' as const, input: request({ body: 'See REQ-3' }), at: '2026-11-10T11:00:00.000000Z' }
  for (const state of [stateOf(early, late), stateOf(late, early)])
    expect([implementedBy(state), mentionedBy(state)]).toEqual([[], ['REQ-3']])
})
