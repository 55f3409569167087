import { artifact, repositoryFacts } from '@rondo/contracts/builds'
import { deployment, handover } from '@rondo/contracts/releases'
import { requirement } from '@rondo/contracts/requirements'
import { describe, expect, test } from 'vitest'
import { fixed, instant, notify, old, place, putShop, report } from '../test/facts.ts'
import { World } from '../test/world.ts'
import { incident } from './incident.ts'
import { ownerAt, service } from './service-entry.ts'
import { requirementOf, signal } from './signal.ts'
import { unmapped } from './unmapped.ts'

const t = (minute: number) => instant(new Date(Date.UTC(2026, 0, 2, 0, minute)).toISOString())
const alarm = (world: World, at: string, labels: Record<string, string>, status: 'firing' | 'resolved' = 'firing') =>
  notify(
    world,
    {
      externalURL: 'http://am',
      groupKey: 'g',
      truncatedAlerts: 0,
      status,
      groupLabels: {},
      alerts: [
        {
          status,
          labels,
          annotations: { summary: 'too slow' },
          startsAt: t(0),
          endsAt: status === 'firing' ? '0001-01-01T00:00:00Z' : at,
          fingerprint: 'f1',
        },
      ],
    },
    at,
  )
const map = (world: World, id: string) => world.ask({ stream: unmapped, id, rule: 'map', input: { service: 'shop' } }, t(60))
const waiting = (world: World) => world.all(unmapped).map(({ id, state }) => [id, unmapped.phase?.(state)])

describe('what belongs to nobody', () => {
  test('is listed once; an alert that is mapped later loses nothing of what was said', async () => {
    const world = await putShop(new World())
    await alarm(
      alarm(world, t(1), { alertname: 'Slow', job: 'cart', instance: 'a' }),
      t(9),
      { alertname: 'Slow', job: 'cart', instance: 'a' },
      'resolved',
    ).settle()
    expect(waiting(world)).toEqual([['alert:alertname=Slow, job=cart', 'unmapped']])
    expect(world.all(signal)).toEqual([])
    await map(world, 'alert:alertname=Slow, job=cart')
    expect(world.all(signal).map(({ id, state }) => [id, signal.phase?.(state), state.about.problem, state.last_at])).toEqual([
      ['alert:f1', 'cleared', 'shop: Slow', t(9)],
    ])
    await alarm(world, t(70), { alertname: 'Slow', job: 'cart', instance: 'b' }).settle()
    expect(waiting(world)).toEqual([['alert:alertname=Slow, job=cart', 'mapped']])
    expect(world.all(signal).map(({ state }) => signal.phase?.(state))).toEqual(['open'])
  })

  test('finds its home when the catalog learns of it', async () => {
    const world = await putShop(new World())
    world.deliver(artifact.unmapped, { digest: old, name: 'pkg:oci/cart', reason: 'nobody', basis: 1 }, t(1))
    await alarm(world, t(1), { alertname: 'Slow', team: 'cart' }).settle()
    expect(waiting(world).map(([, phase]) => phase)).toEqual(['unmapped', 'unmapped'])
    await putShop(world, { artifacts: ['pkg:oci/shop', 'pkg:oci/cart'], alert_labels: { team: 'cart' } }, t(5))
    expect(waiting(world).map(([, phase]) => phase)).toEqual(['mapped', 'mapped'])
    expect(world.all(signal).map(({ state }) => state.about.service)).toEqual(['shop'])
  })

  test('a repository or artifact that a person maps is in the catalog from then on', async () => {
    const world = await putShop(new World())
    await world
      .deliver(
        repositoryFacts.unmapped,
        { repository_id: 'r', repository: { host: 'github.com', full_name: 'example/cart' }, reason: 'nobody', basis: 1 },
        t(1),
      )
      .settle()
    await map(world, 'repository:example/cart')
    expect(world.state(service, 'shop').entry.repositories).toEqual(['example/shop', 'example/cart'])
    expect(world.said('rondo.operations.unmapped.mapped')).toEqual([
      { kind: 'repository', name: 'example/cart', service: 'shop', by: 'person:grace' },
    ])
  })

  test('cannot be mapped where there is nothing', async () => {
    await expect(map(new World(), 'alert:none')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('a signal', () => {
  test('of errors opens with the first event, not with a report of none; the problem is service and class', async () => {
    const world = await putShop(new World())
    await report(world, { from: t(0), to: t(1), requests: 100 }).settle()
    expect(world.all(signal)).toEqual([])
    await report(report(world, { from: t(1), to: t(2), requests: 100, events: 2, title: 'NPE in checkout' }), {
      from: t(2),
      to: t(3),
      requests: 100,
      events: 1,
    }).settle()
    expect(world.all(signal).map(({ state }) => [state.about.problem, state.episodes.length])).toEqual([['shop: NullPointerException', 2]])
    expect(world.said('rondo.operations.signal.opened')).toHaveLength(1)
    expect(world.said('rondo.operations.signal.observed')).toHaveLength(1)
  })

  test('keeps the requirement that gathers it: merging, undoing and splitting move it', async () => {
    const world = await putShop(new World())
    await report(world, { from: t(1), to: t(2), requests: 100, events: 2 }).settle()
    const { id } = world.all(signal)[0]!
    const linked = () => requirementOf(world.state(signal, id))
    await world.deliver(requirement.joined, { signal: id, problem: 'p', service: 'shop' }, t(3), { streamId: 'REQ-1' }).settle()
    expect(linked()).toBe('REQ-1')
    await world.deliver(requirement.merged, { into: 'REQ-2', by: 'person:ada', reason: 'same' }, t(4), { streamId: 'REQ-1' }).settle()
    expect(linked()).toBe('REQ-2')
    await world.deliver(requirement.unmerged, { from: 'REQ-2', by: 'person:ada' }, t(5), { streamId: 'REQ-1' }).settle()
    expect(linked()).toBe('REQ-1')
    await world
      .deliver(requirement.split, { signals: [id], items: [], incidents: [], to: 'REQ-3', by: 'person:ada' }, t(6), { streamId: 'REQ-1' })
      .settle()
    expect(linked()).toBe('REQ-3')
    expect(signal.loops?.(world.state(signal, id), id)).toEqual(expect.arrayContaining(['REQ-1', 'REQ-2', 'REQ-3']))
  })

  test('is marked with the deployment that came before it, and with one made while it lasts', async () => {
    const world = await putShop(new World())
    await place(world, { since: t(-30), artifact: old, deployment: 'before' }).settle()
    await alarm(world, t(1), { alertname: 'Slow', service: 'shop' }).settle()
    const deployed = {
      deployment: 'during',
      service: 'shop',
      environment: 'production',
      production: true,
      artifact: fixed,
      share: 1,
      at: t(10),
    }
    await world.deliver(deployment.succeeded, deployed, t(10)).settle()
    expect(world.state(signal, 'alert:f1').marks.map(({ deployment }: { deployment: string }) => deployment)).toEqual(['before', 'during'])
  })
})

test('an accepted hand-over changes who is responsible from that moment on', async () => {
  const world = await putShop(new World())
  await world.deliver(handover.accepted, { release: 'REL-1', service: 'shop', team: 'team-ops', by: 'person:grace' }, t(5)).settle()
  const known = world.state(service, 'shop')
  expect([t(4), t(5)].map((at) => ownerAt(known, at)?.owner)).toEqual(['team-shop', 'team-ops'])
})

describe('an incident', () => {
  const declaration = {
    service: 'shop',
    severity: 'high',
    title: 'Checkout fails',
    began_at: t(20),
    environment: 'production',
    owner: 'team-shop',
    signals: [],
  }
  test('suspects what was deployed before it, also when that is learned later', async () => {
    const world = await putShop(new World())
    await world.ask({ stream: incident, id: 'INC-1', rule: 'declare', input: declaration }, t(30))
    expect(world.state(incident, 'INC-1').suspects).toEqual([])
    await place(place(world, { since: t(15), artifact: fixed }), { since: t(25), artifact: old }, 2).settle()
    expect(world.state(incident, 'INC-1').suspects.map(({ artifact }: { artifact: string }) => artifact)).toEqual([fixed])
  })
  test('is refused with the reason where a step makes no sense', async () => {
    const world = await putShop(new World())
    const step = (rule: string, input: unknown) => world.ask({ stream: incident, id: 'INC-1', rule, input }, t(30))
    await expect(step('acknowledge', undefined)).rejects.toMatchObject({ code: 'not_found' })
    await step('declare', declaration)
    await expect(step('declare', { ...declaration, title: 'Another' })).rejects.toMatchObject({ code: 'already_exists' })
    await expect(step('review', { summary: 's', follow_ups: [] })).rejects.toMatchObject({
      code: 'wrong_phase',
      details: { missing: ['resolved_at'] },
    })
    await expect(step('resolve', { resolved_at: t(19) })).rejects.toMatchObject({ code: 'invalid', details: { path: 'resolved_at' } })
    await expect(step('attribute', { cause: 'deployment', reason: 'r' })).rejects.toMatchObject({ code: 'invalid' })
    await step('resolve', { resolved_at: t(25) })
    await expect(step('resolve', { resolved_at: t(26) })).rejects.toMatchObject({ code: 'wrong_phase' })
    await expect(step('mitigate', { note: 'n' })).rejects.toMatchObject({ code: 'wrong_phase' })
    await step('review', { summary: 'A null cart', follow_ups: [{ id: 'F1', title: 'Alert on null carts' }] })
    expect(incident.phase?.(world.state(incident, 'INC-1'))).toBe('reviewed')
  })
})
