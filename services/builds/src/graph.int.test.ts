import * as intake from '@rondo/contracts/intake'
import type { Envelope } from '@rondo/kernel'
import { needs } from '@rondo/testkit'
import { afterAll, expect, test } from 'vitest'
import { openWorld, type World } from '../test/world.ts'

needs('postgres18')

import { at, commit, digest, green, type Happened, packaged, page, play, put, sha, shop } from '../test/shop.ts'

const worlds: World[] = []
const open = async (pick?: (waiting: readonly Envelope[]) => readonly Envelope[]) => {
  const world = await openWorld(pick)
  worlds.push(world)
  return world
}
afterAll(async () => {
  for (const world of worlds) await world.close()
})

test('a shallow clone, then the whole: unknown, then yes and no', async () => {
  const world = await open()
  const bare = { host: 'git', full_name: 'example/shop' }
  const ask = async (revision: string, change: string) =>
    world.query('Contains', { repository: 'example/shop', revision: sha(revision), commit: sha(change) })
  await play(world, [
    [commit('5', ['4'], 'Step 5', { repository: bare, shallow: true }), 1],
    [commit('6', ['5'], 'Step 6', { repository: bare }), 2],
  ])
  expect(await ask('6', '5')).toMatchObject({ answer: 'yes', rests_on: sha('5') })
  expect(await ask('6', '1')).toMatchObject({ answer: 'unknown', missing: [sha('4')] })
  const whole = ['1', '2', '3', '4', '5', '6'].map(
    (digit, index): Happened => [commit(digit, index ? [String(index)] : [], `Step ${digit}`, { repository: bare }), index],
  )
  await play(world, whole)
  expect(await ask('6', '1')).toMatchObject({ answer: 'yes', rests_on: sha('1') })
  expect(await ask('1', '6')).toMatchObject({ answer: 'no' })
  expect((await world.query('ListChanges', { service: '', repository: 'example/shop', requirement_id: '', ...page })).changes.length).toBe(
    6,
  )
})

test('an annotated tag is asked by its object or by its name; neither is a commit', async () => {
  const world = await open()
  await play(world, [
    [commit('2', undefined, 'Round'), 1],
    [intake.ref.observed({ repository: shop, name: 'v1.4.0', kind: 'tag', target: sha('2'), object: sha('f'), deleted: false }), 2],
  ])
  for (const revision of [sha('f'), 'v1.4.0']) {
    expect(await world.query('Contains', { repository: 'example/shop', revision, commit: sha('2') })).toMatchObject({
      answer: 'yes',
      rests_on: sha('2'),
      revision: sha('2'),
    })
  }
  await expect(world.query('Contains', { repository: '', revision: 'v9', commit: sha('2') })).rejects.toMatchObject({ code: 'invalid' })
  expect(
    (await world.query('ListChanges', { service: '', repository: '', requirement_id: '', ...page })).changes.map((one) => one.commit),
  ).toEqual([sha('2')])
})

test('a renamed repository keeps its service; a stranger under its old name waits for a person', async () => {
  const world = await open()
  const renamed = { ...shop, full_name: 'example/storefront' }
  const stranger = { ...shop, id: '990001777' }
  await play(world, [
    [commit('9', undefined, 'Stranger', { repository: stranger }), 3],
    [commit('2', undefined, 'After', { repository: renamed }), 2],
    [commit('1', undefined, 'Before'), 1],
    [put, 0],
  ])
  const shown = async () =>
    (await world.query('ListChanges', { service: 'shop', repository: '', requirement_id: '', ...page })).changes
      .map((one) => one.commit[0])
      .sort()
  expect(await shown()).toEqual(['1', '2'])
  const { repositories } = await world.query('ListRepositories', { service: '', phase: 'unmapped', ...page })
  expect(repositories).toMatchObject([{ repository_id: 'github.com/990001777', full_name: 'example/shop' }])
  expect(repositories[0]?.unmapped_reason).toContain('186853002')
  await world.ask('MapRepository', { repository_id: 'github.com/990001777', service: 'shop' })
  await world.settle()
  expect(await shown()).toEqual(['1', '2', '9'])
})

test('builds within one millisecond are paged without a repeat or a gap', async () => {
  const world = await open()
  const micros = ['061001', '061002', '061499', '061500', '061501', '061789', '061789', '061789', '061999']
  for (const [index, micro] of micros.entries()) {
    const fact = intake.build.observed({
      source: 'keyset',
      build: `run-0${index}`,
      kind: 'pipeline',
      name: 'ci',
      attempt: 1,
      phase: 'started',
    })
    await world.outside(fact, { at: `2026-11-18T09:00:00.${micro}Z` })
  }
  const walk = async (order: string, page_size: number) => {
    const pages: string[][] = []
    let page_token = ''
    do {
      const { builds, next_page_token } = await world.query('ListBuilds', {
        source: 'keyset',
        service: '',
        phase: '',
        order,
        page_size,
        page_token,
      })
      pages.push(builds.map((one) => one.build_id))
      page_token = next_page_token
    } while (page_token && pages.length < 50)
    return pages
  }
  const up = await walk('occurred_at', 1)
  const down = await walk('occurred_at desc', 2)
  expect(up).toEqual(micros.map((_, index) => [`run-0${index}`]))
  expect([down.length, down.flat()]).toEqual([5, up.flat().reverse()])
})

test('a report’s cases stay readable, attempts and all', async () => {
  const world = await open()
  const cases = [
    {
      suite: ['CheckoutTest'],
      classname: 'org.example.CheckoutTest',
      name: 'paysWithCard',
      attempts: [{ outcome: 'failed' as const, message: 'timeout after 1000 ms' }, { outcome: 'passed' as const }],
    },
    { suite: ['CheckoutTest'], classname: 'org.example.CheckoutTest', name: 'refuses', attempts: [{ outcome: 'passed' as const }] },
  ]
  const report = intake.evidence.tests_reported({
    build: 'run-1',
    report: 'r',
    format: 'junit',
    suites: [{ path: ['CheckoutTest'], tests: 2 }],
    counts: { tests: 2, passed: 2, failed: 0, errors: 0, skipped: 0, flaky: 1 },
    cases,
  })
  await play(world, [
    [report, 1],
    [report, 2],
  ])
  const { reports, counts } = await world.query('ListEvidence', {
    artifact: '',
    build_id: 'run-1',
    source: '',
    page_size: 0,
    page_token: '',
  })
  expect([reports.length, counts?.tests, counts?.flaky]).toEqual([1, 2, 1])
  expect(reports[0]?.cases[0]).toMatchObject({
    title: 'CheckoutTest > paysWithCard',
    flaky: true,
    attempts: [{ outcome: 'failed', message: 'timeout after 1000 ms' }, { outcome: 'passed' }],
  })
})

test('evidence of a build speaks for the artifact of its commit, whichever was told first', async () => {
  for (const reverse of [false, true]) {
    const world = await open()
    const run = intake.build.observed({
      source: 'github',
      build: 'run-7',
      kind: 'pipeline',
      name: 'ci',
      attempt: 1,
      phase: 'finished',
      outcome: 'success',
      revision: sha('1'),
      repository: shop,
      branch: 'main',
    })
    const { artifact: _, ...report } = green('a', 'r1').data
    const facts: Happened[] = [
      [put, 0],
      [run, 1],
      [intake.evidence.tests_reported({ ...report, build: 'run-7' }), 2],
      [packaged('a', '1'), 3],
      [commit('1', [], 'Begin'), 4],
    ]
    await play(world, reverse ? facts.reverse() : facts)
    expect((await world.query('GetGate', { artifact: digest('a') })).decision).toMatchObject({ verdict: 'pass' })
  }
})

test('a red default branch: since when and who', async () => {
  const world = await open()
  const run = (build: string, outcome: 'success' | 'failure', revision: string) =>
    intake.build.observed({
      source: 'ci',
      build,
      kind: 'pipeline',
      name: 'ci',
      attempt: 1,
      phase: 'finished',
      outcome,
      revision: sha(revision),
      repository: shop,
      branch: 'main',
    })
  await play(world, [
    [put, 0],
    [commit('2', undefined, 'Oops'), 1],
    [run('3', 'failure', '3'), 5],
    [run('1', 'success', '1'), 2],
    [run('2', 'failure', '2'), 3],
  ])
  expect((await world.query('ListBrokenBranches', { service: 'shop' })).branches).toMatchObject([
    {
      branch: 'main',
      broken_by_build_id: '2',
      broken_by_commit: sha('2'),
      since: at(3),
      latest_build_id: '3',
      contributors: [{ actor: 'person:ada' }],
    },
  ])
})

test('a long history that arrives newest first is walked again when nothing is left to wait for', async () => {
  const world = await open()
  const id = (n: number) => String(n).padStart(40, '0')
  const step = (n: number) =>
    intake.change.observed({
      ...commit('1', [], n === 1 ? 'Fixes REQ-1' : `Step ${n}`).data,
      sha: id(n),
      parents: n > 1 ? [id(n - 1)] : [],
    })
  const count = 230
  await world.outside(put, { at: at(0) })
  await world.outside(intake.artifact.observed({ ...packaged('a', '1').data, revision: id(count) }), { at: at(1) })
  await world.settle()
  for (let n = count; n > 0; n--) {
    await world.outside(step(n), { at: at(0), id: `c${n}` })
    await world.settle()
  }
  const { artifact } = await world.query('GetArtifact', { digest: digest('a') })
  expect(artifact?.contents).toMatchObject({ missing: [], requirement_ids: ['REQ-1'], more: 0 })
  expect(artifact?.contents?.changes.length).toBe(count)
  // the first two hundred were followed one by one, the rest not
  const told = (await world.ledger.events(0, 10_000, { types: ['rondo.builds.artifact.contained'] })).length
  expect(told).toBeLessThan(count - 20)
})
