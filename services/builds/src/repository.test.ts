import { repositoryFacts as fact } from '@rondo/contracts/builds'
import { at, given } from '@rondo/kernel/given'
import { expect, test } from 'vitest'
import { told } from '../test/told.ts'
import { catalog } from './catalog.ts'
import { resolveArtifact, resolveRepository } from './mapping.ts'
import { presentName, repository, repositoryId } from './repository.ts'

const shop = { host: 'github.com', full_name: 'example/shop', id: '186853002' }
const storefront = { ...shop, full_name: 'example/storefront' }
const stranger = { ...shop, id: '990001777' }
const day = (n: number) => `2026-11-${n}T09:00:00.000000Z`
const seen = (one: typeof shop, n: number) => ({ rule: 'seen', input: one, at: day(n) })
const found = (one: typeof shop, ...tellings: ReturnType<typeof seen>[]) => ({
  id: repositoryId(one),
  version: tellings.length,
  state: told(repository, tellings, repositoryId(one)),
})
const listed = (service: string, repositories: string[], artifacts: string[] = []) => ({
  id: service,
  version: 1,
  state: told(catalog, [{ rule: 'copied', input: { service, repositories, artifacts }, at: day(10) }]),
})

test('a known id under a new name is a rename: it stays the service it was', () => {
  const renamed = found(shop, seen(shop, 10), seen(storefront, 11))
  expect([repositoryId(shop), presentName(renamed.state), Object.keys(renamed.state.names)]).toEqual([
    'github.com/186853002',
    'example/storefront',
    ['example/shop', 'example/storefront'],
  ])
  expect(resolveRepository(renamed, [renamed], [listed('shop', ['Example/shop'])])).toEqual({ service: 'shop' })
  expect(presentName(found(shop, seen(storefront, 11), seen(shop, 10)).state)).toBe('example/storefront')
})

test('another repository under the old name is nobody until a person says so', () => {
  const old = found(shop, seen(shop, 10), seen(storefront, 11))
  const other = found(stranger, seen(stranger, 12))
  const all = [other, old]
  expect(resolveRepository(old, all, [listed('shop', ['example/shop'])])).toEqual({ service: 'shop' })
  const { reason } = resolveRepository(other, all, [listed('shop', ['example/shop'])])
  expect(reason).toMatch(/990001777 is called example\/shop, which was the name of repository 186853002 \(now example\/storefront\) before/)
  const assigned = { ...other, state: { ...other.state, assigned: { at: day(13), value: 'shop' } } }
  expect(resolveRepository(assigned, all, [])).toEqual({ service: 'shop' })
})

test('a bare name belongs to whoever has it, and to nobody where two had it', () => {
  const bare = { host: 'github.com', full_name: 'example/shop' }
  const byName = { id: repositoryId(bare), version: 1, state: told(repository, [{ rule: 'seen', input: bare, at: day(9) }]) }
  const catalogs = [listed('shop', ['https://github.com/example/shop.git'])]
  expect(resolveRepository(byName, [byName, found(shop, seen(shop, 10))], catalogs)).toEqual({ service: 'shop' })
  expect(
    resolveRepository(byName, [byName, found(shop, seen(shop, 10)), found(stranger, seen(stranger, 12))], catalogs).service,
  ).toBeUndefined()
})

test('two services that list one repository are a question to a person', () => {
  const one = found(shop, seen(shop, 10))
  expect(resolveRepository(one, [one], [listed('a', ['example/shop']), listed('b', ['example/shop'])]).reason).toBe(
    'example/shop is listed by a and b: a person must say which',
  )
  expect(resolveRepository(one, [one], []).reason).toBe('no service lists example/shop')
})

test('an artifact belongs to the service that lists its name, else to that of its repository', () => {
  const artifact = { names: ['pkg:oci/shop'], phases: [], sources: [], builds: [] }
  const mapped = { id: 'r', version: 1, state: { ...repository.initial, mapping: { basis: 1, service: 'other' } } }
  expect(resolveArtifact(artifact, [mapped], [listed('shop', [], ['pkg:oci/shop@1.2'])])).toEqual({ service: 'shop' })
  expect(resolveArtifact(artifact, [mapped], [])).toEqual({ service: 'other' })
  expect(resolveArtifact(artifact, [], []).reason).toContain('no service lists pkg:oci/shop')
})

test('what had seen less comes too late', () => {
  const which = { repository_id: 'stream-1', repository: shop, basis: 5 }
  given(repository, at(day(10), fact.seen({ repository_id: 'stream-1', repository: shop })), fact.mapped({ ...which, service: 'shop' }))
    .tell('resolved', { reason: 'nobody', basis: 4 })
    .nothing()
  given(repository, fact.mapped({ ...which, service: 'shop' }), fact.unmapped({ ...which, basis: 4, reason: 'x' }))
    .inAnyOrder()
    .phase('mapped')
})

test('an annotated tag is a tag of its commit; its object is found and is no branch', () => {
  const object = 'f'.repeat(40)
  const target = '2'.repeat(40)
  const state = told(repository, [
    seen(shop, 10),
    { rule: 'refMoved', input: { name: 'v1.4.0', kind: 'tag', target, object, deleted: false }, at: day(10) },
  ])
  expect(repository.keys.tag_object(state)).toEqual([object])
  expect(Object.keys(state.refs)).toEqual(['tag v1.4.0'])
})

test('where a ref points is told by when it moved', () => {
  const move = (target: string) => fact.ref_moved({ name: 'main', kind: 'branch', target: target.repeat(40), deleted: false })
  given(
    repository,
    at(day(11), move('b')),
    at(day(10), move('a')),
    at(day(12), fact.ref_moved({ name: 'main', kind: 'branch', deleted: true })),
  )
    .inAnyOrder()
    .phase('unseen')
})

test('a repository that was never seen cannot be mapped', () => {
  given(repository).ask('assign', { service: 'shop' }).refused('not_found')
})
