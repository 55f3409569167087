import { change } from '@rondo/contracts/builds'
import { person } from '@rondo/contracts/gateway'
import { incident } from '@rondo/contracts/operations'
import type { Contributor } from '@rondo/contracts/values'
import { ask, type Envelope } from '@rondo/kernel'
import { describe, expect, test } from 'vitest'
import {
  ada,
  catalog,
  contained,
  decided,
  deployed,
  deploymentsOf,
  digest,
  edsger,
  github,
  grace,
  published,
  repository,
  sha,
} from '../test/facts.ts'
import { at, outside, World } from '../test/world.ts'
import { deploymentAnswer, historyOf, metricsAnswer, releaseAnswer } from './answers.ts'
import { changeNote } from './change-note.ts'
import { deployment } from './deployment.ts'
import { environment, environmentOf } from './environment.ts'
import { incidentNote } from './incident-note.ts'
import { deploymentId } from './names.ts'
import { release } from './release.ts'
import { runningOf } from './running.ts'

const metrics = async (world: World, from: string, to: string) =>
  metricsAnswer(historyOf(await deploymentsOf(world), await world.read.find(incidentNote, 'service', ['shop']), 'production'), {
    from: at(from),
    to: at(to),
  })

describe('05: an older deployment turns inactive', () => {
  const notices = [
    deployed('9001', '2026-11-12T09:51:00Z', { repository, revision: sha('1'), state: 'started' }),
    deployed('9001', '2026-11-12T10:00:00Z', { repository, revision: sha('1'), state: 'succeeded' }),
    deployed('9002', '2026-11-12T11:55:00Z', { repository, revision: sha('2'), state: 'failed' }),
    deployed('9002', '2026-11-12T12:00:00Z', { repository, revision: sha('2'), state: 'succeeded' }),
    deployed('9001', '2026-11-12T12:00:05Z', { repository, revision: sha('1'), state: 'inactive' }),
  ]
  const check = async (events: readonly Envelope[]) => {
    const world = new World()
    await world.happened(...events)
    const { deployment_frequency, change_failure_rate } = await metrics(world, '2026-11-12T00:00:00Z', '2026-11-13T00:00:00Z')
    expect(deployment_frequency).toMatchObject({
      numerator: 2,
      deployment_ids: [deploymentId(github, '9001'), deploymentId(github, '9002')],
    })
    expect(change_failure_rate).toMatchObject({ numerator: 0, denominator: 2, percent: 0 })
    const all = await deploymentsOf(world)
    expect(all.map(deploymentAnswer)).toMatchObject([
      { phase: 'succeeded', first_succeeded_at: at('2026-11-12T10:00:00Z'), rolled_back_at: '' },
      { phase: 'succeeded', first_succeeded_at: at('2026-11-12T12:00:00Z'), rolled_back_at: '' },
    ])
    expect(runningOf(all)).toMatchObject({ since: at('2026-11-12T12:00:00Z'), found: { state: { revision: sha('2') } } })
  }
  test('both count, the newer one runs', () => check([catalog(), ...notices]))
  test('the same with the last notice first', () => check([catalog(), ...notices.slice(-1), ...notices.slice(0, -1)]))
  test('the same when the catalog comes last', () => check([...notices, catalog()]))
})

test('37: three incidents of one deployment', async () => {
  const world = new World()
  const declared = (n: number, from: string, to: string) => {
    const id = `INC-${n}`
    const base = { incident: id, service: 'shop' }
    return [
      outside(
        incident.declared({
          ...base,
          severity: 'high',
          title: 'Checkout fails',
          began_at: at(`2026-11-20T${from}:00Z`),
          signals: [],
          environment: 'production',
          owner: 'team-shop',
          by: grace,
        }),
        id,
        `2026-11-20T${from}:00Z`,
        1,
      ),
      outside(
        incident.attributed({ ...base, cause: 'deployment', artifact: digest('b'), reason: 'began after it', by: grace }),
        id,
        '2026-11-20T16:00:00Z',
        2,
      ),
      outside(incident.resolved({ ...base, resolved_at: at(`2026-11-20T${to}:00Z`), by: grace }), id, '2026-11-20T16:00:00Z', 3),
    ]
  }
  await world.happened(
    catalog(),
    ...published('a', '2026-11-19T12:00:00Z'),
    ...declared(1, '13:10', '13:40'),
    deployed('d1', '2026-11-19T13:00:00Z', { artifact: digest('a'), state: 'succeeded' }),
    ...published('b', '2026-11-20T12:00:00Z'),
    ...declared(2, '13:20', '14:30'),
    deployed('d2', '2026-11-20T13:00:00Z', { artifact: digest('b'), service: 'shop', state: 'succeeded' }),
    ...declared(3, '15:00', '15:05'),
  )
  const { deployment_frequency, change_failure_rate, failed_deployment_recovery_time, change_lead_time, rework_rate } = await metrics(
    world,
    '2026-11-19T00:00:00Z',
    '2026-11-21T00:00:00Z',
  )
  expect(deployment_frequency?.numerator).toBe(2)
  expect(change_failure_rate).toMatchObject({
    numerator: 1,
    denominator: 2,
    percent: 50,
    failed: [{ deployment_id: deploymentId(github, 'd2'), incident_ids: ['INC-1', 'INC-2', 'INC-3'] }],
  })
  expect(failed_deployment_recovery_time).toMatchObject({
    median_seconds: 7500,
    spans: [{ from: at('2026-11-20T13:00:00Z'), to: at('2026-11-20T15:05:00Z') }],
  })
  expect([change_lead_time, rework_rate]).toEqual([
    { reason: expect.stringContaining('not computed') },
    { reason: expect.stringContaining('not computed') },
  ])
})

test('an attribution that is taken back clears the deployment', async () => {
  const world = new World()
  const said = (cause: 'deployment' | 'not_a_deployment', version: number) =>
    outside(
      incident.attributed({
        incident: 'INC-1',
        service: 'shop',
        cause,
        ...(cause === 'deployment' ? { artifact: digest('a') } : {}),
        reason: 'x',
        by: grace,
      }),
      'INC-1',
      '2026-11-20T16:00:00Z',
      version,
    )
  await world.happened(
    catalog(),
    deployed('d1', '2026-11-20T13:00:00Z', { artifact: digest('a'), service: 'shop', state: 'succeeded' }),
    said('deployment', 2),
  )
  const decision = async () => (await deploymentsOf(world)).map(({ state }) => state.incidents['INC-1']?.decision)
  expect(await decision()).toEqual(['caused'])
  await world.happened(said('not_a_deployment', 3), said('deployment', 2))
  expect(await decision()).toEqual(['not_caused'])
})

describe('39: who contributed is a person, whatever the spelling', () => {
  const contributors: Contributor[] = [
    { actor: ada, role: 'author' },
    { actor: ada, role: 'pusher' },
    { actor: 'unmapped:grace', role: 'co_author', shown: 'Grace' },
  ]
  const mapped = outside(
    person.mapped({ person: 'grace@example.org', identities: ['unmapped:grace'] }),
    'grace@example.org',
    '2026-11-21T11:00:00Z',
  )
  const artifacts = [digest('c')]
  const creation = { service: 'shop', artifacts, parts: [], gates: [], persons: [] }
  const approve = async (world: World, actor: string) => {
    const { content_hash } = await world.read.load(release, 'REL-39')
    const refused = world.apply(ask(release, 'REL-39', 'approve', { content_hash }), at('2026-11-21T12:00:00Z'), actor)
    await world.settle()
    return refused?.message ?? 'approved'
  }

  test('an unmapped one blocks until it is mapped; contributors are refused with their roles; another one approves', async () => {
    const world = new World()
    await world.happened(catalog(), ...published('c', '2026-11-21T10:30:00Z'), contained('c', contributors, ['REQ-1']))
    world.apply(ask(release, 'REL-39', 'create', creation), at('2026-11-21T10:40:00Z'), ada)
    await world.settle()
    expect(await approve(world, edsger)).toContain('a contributor cannot be identified: Grace')
    await world.happened(mapped)
    expect(await approve(world, ada)).toBe(`${ada} contributed as author, pusher`)
    expect(await approve(world, grace)).toBe(`${grace} contributed as co_author`)
    expect(await approve(world, edsger)).toBe('approved')
    const state = await world.read.load(release, 'REL-39')
    expect(state.denials.map(({ what, by, code }) => [what, by, code])).toEqual([
      ['approve', edsger, 'unknown_identity'],
      ['approve', ada, 'four_eyes'],
      ['approve', grace, 'four_eyes'],
    ])
    expect(
      releaseAnswer({ id: 'REL-39', version: 1, state }, at('2026-11-21T12:00:00Z')).contributors.map(({ actor, roles }) => [actor, roles]),
    ).toEqual([
      [ada, ['author', 'pusher']],
      [grace, ['co_author']],
    ])
  })

  test('mapped before the release arose, it is a person from the start', async () => {
    const world = new World()
    await world.happened(mapped, catalog(), ...published('c', '2026-11-21T10:30:00Z'), contained('c', contributors, []))
    world.apply(ask(release, 'REL-39', 'create', creation), at('2026-11-21T10:40:00Z'), ada)
    await world.settle()
    expect(await approve(world, grace)).toContain('co_author')
    expect(await approve(world, edsger)).toBe('approved')
  })
})

test('07: who contributed to a commit is known by the commit and by its merge request', async () => {
  const world = new World()
  const merge = {
    sha: sha('7'),
    number: 77,
    state: 'merged' as const,
    title: 'Faster search',
    head: sha('8'),
    merge_sha: sha('7'),
    implements: [],
    mentions: [],
    repository,
    repository_id: '1',
  }
  const contributors: Contributor[] = [
    { actor: 'unknown:deleted-account', role: 'author' },
    { actor: grace, role: 'merger' },
  ]
  await world.happened(outside(change.merge_request({ ...merge, contributors }), sha('7'), '2026-11-14T09:00:00Z'))
  expect((await world.read.loadAll(changeNote, [sha('7'), sha('8')])).map(({ state }) => state.contributors)).toEqual([
    expect.arrayContaining(contributors),
    expect.arrayContaining(contributors),
  ])
})

describe('what runs in production', () => {
  const ready = [
    catalog(),
    ...published('a', '2026-11-20T12:00:00Z'),
    contained('a', [{ actor: ada, role: 'author' }], ['REQ-1']),
    decided('a', 'pass'),
  ]
  const success = (when: string) => deployed('d1', when, { artifact: digest('a'), state: 'succeeded' })
  const one = async (world: World) => (await deploymentsOf(world)).map(({ state }) => state.violations)
  const id = `REL-${'A'.repeat(8)}`
  const approve = async (world: World) => {
    const { content_hash } = await world.read.load(release, id)
    expect(world.apply(ask(release, id, 'approve', { content_hash }), at('2026-11-20T13:00:00.5Z'), edsger)).toBeUndefined()
    await world.settle()
  }

  test('approved before it ran: no violation, even when the deployer cuts its clock to the second', async () => {
    const world = new World()
    await world.happened(...ready)
    await approve(world)
    await world.happened(success('2026-11-20T13:00:00Z'))
    expect(await one(world)).toEqual([[]])
    expect((await deploymentsOf(world))[0]?.state).toMatchObject({ service: 'shop', release: id, requirements: ['REQ-1'] })
  })

  test('not approved: recorded as it is, and raised as a violation', async () => {
    const world = new World()
    await world.happened(...ready, success('2026-11-20T13:00:00Z'))
    expect(await one(world)).toEqual([[`${id} was not approved: it is candidate`]])
  })

  test('approved later, or void by then: a violation', async () => {
    const world = new World()
    await world.happened(...ready)
    await approve(world)
    await world.happened(success('2026-11-20T12:59:00Z'))
    expect(await one(world)).toEqual([[`${id} was approved only at ${at('2026-11-20T13:00:00.5Z')}`]])
  })

  test('no approval is needed where no users are served', async () => {
    const world = new World()
    await world.happened(
      ...ready,
      deployed('d1', '2026-11-20T13:00:00Z', { artifact: digest('a'), environment: 'staging', state: 'succeeded' }),
    )
    expect((await world.read.list(deployment, {})).items.map(({ state }) => state.violations)).toEqual([[]])
  })

  test('deploying is asked for, and a verdict that turned worse since takes the approval away', async () => {
    const world = new World()
    await world.happened(...ready)
    await approve(world)
    const deploy = async () =>
      world.apply(
        ask(release, id, 'deploy', environmentOf(await world.read.load(environment, 'production'), 'production')),
        at('2026-11-20T14:00:00Z'),
        'person:ops',
      )
    expect(await deploy()).toBeUndefined()
    await world.happened(decided('a', 'fail', 2))
    expect((await deploy())?.details.missing).toEqual([
      `changed since approval: the gate of ${digest('a')} turned worse: fail`,
      `the gate does not allow ${digest('a')}: fail`,
    ])
  })

  test('what belongs to no service is listed, and found once the catalog says so', async () => {
    const world = new World()
    await world.happened(deployed('d1', '2026-11-20T13:00:00Z', { repository, revision: sha('a'), state: 'succeeded' }))
    const [unmapped] = (await world.read.list(deployment, {})).items
    expect(unmapped && deploymentAnswer(unmapped)).toMatchObject({
      service: '',
      unmapped: 'no service in the catalog has repository example/shop',
    })
    await world.happened(catalog())
    expect((await deploymentsOf(world)).map(deploymentAnswer)).toMatchObject([{ service: 'shop', unmapped: '', artifact: '' }])
    await world.happened(...published('a', '2026-11-20T12:00:00Z'))
    expect((await deploymentsOf(world)).map(deploymentAnswer)).toMatchObject([{ service: 'shop', artifact: digest('a') }])
  })
})

test('a candidate arises for each published artifact, also where their short ids are the same', async () => {
  const world = new World()
  const other = `sha256:${'a'.repeat(8)}${'b'.repeat(56)}`
  const events = published('a', '2026-11-20T12:00:00Z')
  await world.happened(
    ...events,
    ...events.map((event) => ({ ...event, streamId: other, data: { ...(event.data as object), digest: other } })),
  )
  const { items } = await world.read.list(release, {})
  expect(items.map(({ id, state }) => [id, state.artifacts])).toEqual([
    ['REL-AAAAAAAA', [digest('a')]],
    ['REL-AAAAAAAABBBBBBBB', [other]],
  ])
})
