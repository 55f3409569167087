import { service as fact } from '@rondo/contracts/operations'
import { at, given } from '@rondo/kernel/given'
import { describe, expect, test } from 'vitest'
import { type Catalogued, type Entry, ownerAt, owners, service, serviceOf } from './service-entry.ts'

const entry: Entry = {
  service: 'shop',
  owner: 'team-shop',
  repositories: ['example/shop'],
  artifacts: ['pkg:oci/shop'],
  alert_labels: { service: 'shop' },
  environment_label: 'environment',
  default_environment: 'production',
  problem_labels: [],
  proof: { kind: 'defect', target_ratio: 0.5, deadline_days: 14 },
}
const put = (owner = 'team-shop') => fact.put({ ...entry, owner, by: 'person:ada' })
const day = (n: number) => `2026-11-${String(n).padStart(2, '0')}T00:00:00.000000Z`
const accepted = (n: number, owner: string) =>
  at(day(n), fact.owner_changed({ service: 'shop', owner, since: day(n), accepted_by: 'person:grace', release: 'REL-1' }))

function folded(...facts: readonly ReturnType<typeof accepted | typeof at<ReturnType<typeof put>>>[]): Catalogued {
  return facts.reduce((state, { verb, data, occurredAt }) => {
    const step = service.evolve[verb as 'put'] as (state: Catalogued, data: unknown, occurrence: unknown) => Catalogued
    return step(state, data, { id: 'x', at: occurredAt, actor: 'person:ada' })
  }, service.initial)
}

describe('who is responsible', () => {
  test('exactly one owner at each moment; an accepted hand-over stands when the catalog is put again unchanged', () => {
    const state = folded(at(day(1), put()), accepted(5, 'team-ops'), at(day(9), put()))
    expect(ownerAt(state, day(1))?.owner).toBe('team-shop')
    expect(ownerAt(state, day(4))?.owner).toBe('team-shop')
    expect(ownerAt(state, day(5))).toMatchObject({ owner: 'team-ops', accepted_by: 'person:grace', release: 'REL-1' })
    expect(ownerAt(state, day(20))?.owner).toBe('team-ops')
    expect(owners(state)).toHaveLength(2)
    expect(ownerAt(state, '2026-10-31T00:00:00.000000Z')).toBeUndefined()
  })
  test('a catalog that names another owner than before changes it', () => {
    const state = folded(at(day(1), put()), accepted(5, 'team-ops'), at(day(9), put('team-new')))
    expect(ownerAt(state, day(9))?.owner).toBe('team-new')
  })
  test('in any order, as often as it comes', () => {
    const first = folded(at(day(1), put()), accepted(5, 'team-ops'), at(day(9), put('team-new')))
    given(service, at(day(1), put()), accepted(5, 'team-ops'), at(day(9), put('team-new')))
      .inAnyOrder()
      .state(first)
    given(service, accepted(5, 'team-ops'))
      .tell('ownerAccepted', { release: 'REL-1', team: 'team-ops', by: 'person:grace' }, { at: day(5) })
      .nothing()
  })
})

describe('the catalog', () => {
  test('put again with the same content is nothing to do', () => {
    given(service).ask('put', entry, { actor: 'person:ada' }).then(put())
    given(service, put()).ask('put', entry).nothing()
    given(service, put())
      .ask('put', { ...entry, runbook: 'https://wiki/shop' }, { actor: 'person:ada' })
      .then(fact.put({ ...entry, runbook: 'https://wiki/shop', by: 'person:ada' }))
  })
  test('learns what a person mapped', () => {
    const more = fact.put({ ...entry, artifacts: ['pkg:oci/shop', 'pkg:oci/cart'], by: 'person:ada' })
    given(service, put()).tell('mapped', { kind: 'artifact', name: 'pkg:oci/cart', by: 'person:ada' }).then(more)
    given(service, put()).tell('mapped', { kind: 'artifact', name: 'pkg:oci/shop', by: 'person:ada' }).nothing()
    given(service).tell('mapped', { kind: 'artifact', name: 'pkg:oci/shop', by: 'person:ada' }).nothing()
    given(service, put()).tell('mapped', { kind: 'alert', name: 'alertname=X', by: 'person:ada' }).nothing()
  })
})

describe('an alert', () => {
  const candidate = (id: string, alert_labels: Record<string, string>) => ({
    id,
    state: { declared: [], accepted: [], entry: { ...entry, alert_labels } },
  })
  test('belongs to the service whose labels it has all of, the most demanding first', () => {
    const all = [candidate('shop', { service: 'shop' }), candidate('shop-eu', { service: 'shop', region: 'eu' }), candidate('none', {})]
    expect(serviceOf({ service: 'shop', region: 'eu' }, all).id).toBe('shop-eu')
    expect(serviceOf({ service: 'shop', region: 'us' }, all).id).toBe('shop')
    expect(serviceOf({ service: 'cart' }, all).reason).toContain('no service')
  })
  test('that two services claim belongs to nobody until one is more specific', () => {
    expect(serviceOf({ a: '1', b: '2' }, [candidate('x', { a: '1' }), candidate('y', { b: '2' })]).reason).toMatch(/x and y both fit/)
  })
})
