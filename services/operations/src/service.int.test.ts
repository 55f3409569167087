import { placement } from '@rondo/contracts/builds'
import { alert, errors } from '@rondo/contracts/intake'
import { handover } from '@rondo/contracts/releases'
import { requirement } from '@rondo/contracts/requirements'
import { toInstant } from '@rondo/kernel'
import { runBeside } from '@rondo/runtime/rig'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { fixed, old, sha } from '../test/facts.ts'
import { operations } from './service.ts'

const { met, beforeAll } = needs('postgres18')

const start = async () =>
  runBeside(operations, {
    databaseUrl: await freshDatabase(),
    owners: {
      ada: { actor: 'person:ada', roles: ['product_owner'] },
      grace: { actor: 'person:grace', roles: ['operator'] },
      ci: { actor: 'person:ci', roles: ['reporter'] },
    },
    others: { builds: { placement }, requirements: { requirement }, releases: { handover } },
  })
let run: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  run = await start()
})
afterAll(() => run?.stop())
beforeEach(({ onTestFailed }) => {
  if (met) onTestFailed(() => console.log(run.log.join('')))
})

const within = { within: 20_000 }
const now = Date.now()
/** Minutes before now. */
const ago = (minutes: number) => toInstant(new Date(now - minutes * 60_000))
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by what the test expects of them
type Any = any

const put = (service: string, part: object = {}) =>
  run.call('grace', 'PutService', {
    service,
    owner: `team-${service}`,
    repositories: [`example/${service}`],
    artifacts: [`pkg:oci/${service}`],
    alert_labels: { service },
    ...part,
  })
let sent = 0
const report = (service: string, from: number, to: number, part: object) =>
  run.intake(
    `report-${++sent}`,
    ago(to),
    errors.reported({
      source: 'https://metrics',
      service,
      environment: 'production',
      error_class: 'NullPointerException',
      from: ago(from),
      to: ago(to),
      events: 0,
      requests: 0,
      ...part,
    }),
  )
const ran = (service: string, since: number, part: object) => {
  const usual = {
    service,
    environment: 'production',
    production: true,
    artifact: old,
    deployment: `d-${since}`,
    share: 1,
    since: ago(since),
    entered: [],
    left: [],
    contains: [],
    changes_entered: [],
    changes_left: [],
    missing: [],
  }
  return run.builds.say('placement', `${service}/production`, ago(since), placement.changed({ ...usual, ...part }))
}
const signals = async (service: string): Promise<Any[]> => (await run.call('ada', 'ListSignals', { service })).signals
const proofs = async (requirement_id: string): Promise<Any[]> => (await run.call('ada', 'ListProofs', { requirement_id })).proofs

/** Errors of the old artifact, a requirement that gathers them, and the artifact with the fix. */
async function fixing(service: string, requirement_id: string): Promise<string> {
  await put(service)
  await ran(service, 5000, { artifact: old })
  await report(service, 400, 300, { artifact: old, events: 30, requests: 10_000, event_ids: ['e-1', 'e-2'] })
  const [seen] = await eventually(async () => ((found) => found.length === 1 && found)(await signals(service)), within)
  await run.requirements.say(
    'requirement',
    requirement_id,
    ago(290),
    requirement.joined({ signal: seen.signal_id, problem: seen.problem, service }),
  )
  await ran(service, 200, { artifact: fixed, contains: [requirement_id], entered: [requirement_id], changes_entered: [sha(1)] })
  const [opened] = await eventually(async () => ((found) => found.length === 1 && found)(await proofs(requirement_id)), within)
  return opened.proof_id
}
const phase = (proof_id: string, wanted: string): Promise<Any> =>
  eventually(async () => ((proof) => proof.phase === wanted && proof)((await run.call('ada', 'GetProof', { proof_id })).proof), within)

describe('the proof that a fix worked', () => {
  test('goes from errors over the fix to "verified", and every number opens', async () => {
    const proof_id = await fixing('shop', 'REQ-1')
    const open = (await run.call('ada', 'GetProof', { proof_id })).proof
    expect(open).toMatchObject({
      phase: 'open',
      requirement_id: 'REQ-1',
      clock_started_at: ago(200),
      before: { events: '30', exposure: 10_000, unit: 'requests', event_ids: ['e-1', 'e-2'], to: ago(200) },
      after: { events: '0', exposure: 0 },
      verdict: '',
    })
    expect(open.needed_further_exposure).toBeCloseTo((10_000 * (0.05 ** (-1 / 30) - 1)) / 0.5, 6)
    await report('shop', 190, 180, { artifact: old, events: 4, requests: 90 })
    await report('shop', 180, 170, { artifact: fixed, requests: 1500 })
    await report('shop', 170, 160, { artifact: fixed, requests: 1500 })
    const proof = await phase(proof_id, 'verified')
    expect(proof).toMatchObject({
      verdict: 'verified',
      after: { events: '0', exposure: 3000, from: ago(200), to: ago(160) },
      artifacts: [fixed],
      noted_events: '4',
    })
    expect(proof.bound).toBeLessThan(0.5)
    expect(proof.query).toContain(fixed)
    await eventually(async () => (await signals('shop'))[0].phase === 'cleared', within)
    expect((await signals('shop'))[0]).toMatchObject({ requirement_id: 'REQ-1', problem: 'shop: NullPointerException', kind: 'errors' })
    expect((await run.call('ada', 'WhatRuns', { service: 'shop', environment: '' })).running).toMatchObject([
      { artifact: fixed, requirement_ids: ['REQ-1'] },
    ])
    await report('shop', 100, 90, { artifact: fixed, events: 1, requests: 10, event_ids: ['again'] })
    expect(await phase(proof_id, 'recurred')).toMatchObject({ recurred_at: ago(90), verdict: 'verified' })
  })

  test('regresses at the first event of a fixed artifact, unless a person lays it at another door', async () => {
    const proof_id = await fixing('cart', 'REQ-2')
    await report('cart', 190, 180, { artifact: fixed, events: 1, requests: 10, event_ids: ['by-hand'] })
    expect(await phase(proof_id, 'regressed')).toMatchObject({ after: { events: '1', event_ids: ['by-hand'] } })
    const attribute = (event_id: string) => run.call('grace', 'AttributeEvent', { proof_id, event_id, reason: 'a drill' })
    await expect(attribute('e-1')).rejects.toMatchObject({ code: 'not_found', details: { path: 'event_id' } })
    await attribute('by-hand')
    await report('cart', 180, 170, { artifact: fixed, requests: 3000 })
    expect(await phase(proof_id, 'verified')).toMatchObject({ after: { events: '0', exposure: 3010 } })
  })

  test('cannot be extended into the past, nor once it is decided', async () => {
    const proof_id = await fixing('search', 'REQ-3')
    const extend = (deadline_at: string) => run.call('ada', 'ExtendProof', { proof_id, deadline_at, reason: 'holidays' })
    await expect(extend('2026-01-01T00:00:00Z')).rejects.toMatchObject({ code: 'invalid', details: { path: 'deadline_at' } })
    await expect(extend('soon')).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('RFC 3339') })
    expect(await extend(ago(-60 * 24 * 30))).toMatchObject({ proof_id })
    expect((await run.call('ada', 'GetProof', { proof_id })).proof.deadline_at).toBe(ago(-60 * 24 * 30))
  })
})

describe('the catalog', () => {
  test('answers who is responsible at each moment, and an accepted hand-over stands', async () => {
    await put('pay', { runbook: 'https://wiki/pay' })
    await run.releases.say(
      'handover',
      'REL-1',
      toInstant(new Date()),
      handover.accepted({ release: 'REL-1', service: 'pay', team: 'team-ops', by: 'person:grace' }),
    )
    const owner = async (at?: string) => (await run.call('ci', 'WhoIsResponsible', { service: 'pay', ...(at ? { at } : {}) })).owner
    await eventually(async () => (await owner()).owner === 'team-ops', within)
    await put('pay', { runbook: 'https://wiki/pay/2' })
    expect(await owner()).toMatchObject({ owner: 'team-ops', accepted_by: 'person:grace', release_id: 'REL-1' })
    await expect(owner('2020-01-01T00:00:00Z')).rejects.toMatchObject({ code: 'not_found' })
    expect((await run.call('ci', 'GetService', { service: 'pay' })).entry).toMatchObject({
      owner: 'team-ops',
      runbook: 'https://wiki/pay/2',
      default_environment: 'production',
      proof: { kind: 'defect', target_ratio: 0.5, deadline_days: 14 },
      owners: [{ owner: 'team-pay' }, { owner: 'team-ops' }],
    })
  })

  test('refuses with the place of what is wrong, and to whom it is not', async () => {
    await expect(put('bad name')).rejects.toMatchObject({ code: 'invalid', details: { path: 'service' } })
    await expect(put('x', { proof: { kind: 'magic' } })).rejects.toMatchObject({ code: 'invalid', details: { path: 'proof.kind' } })
    await expect(run.call('ada', 'PutService', { service: 'x', owner: 'y' })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(run.call('ada', 'GetService', { service: 'none' })).rejects.toMatchObject({
      code: 'not_found',
      details: { path: 'service' },
    })
    await expect(run.call('ada', 'ListSignals', { phase: 'burning' })).rejects.toMatchObject({
      code: 'invalid',
      details: { path: 'phase' },
    })
  })

  test('has an alert that belongs to nobody mapped once by a person, and loses nothing of it', async () => {
    await put('mail')
    const word = {
      source: 'http://am',
      fingerprint: 'mail-1',
      starts_at: ago(50),
      labels: { alertname: 'QueueStuck', job: 'mailer' },
      annotations: {},
    }
    await run.intake('alert-1', ago(50), alert.observed({ ...word, heard_at: ago(49), status: 'firing' }))
    await run.intake('alert-2', ago(41), alert.observed({ ...word, heard_at: ago(40), status: 'resolved', ends_at: ago(41) }))
    const listed = () => run.call('ada', 'ListUnmapped', { kind: 'alert' })
    const [thing] = await eventually(
      async () => ((found) => found.length === 1 && found[0].last_seen_at === ago(41) && found)((await listed()).unmapped as Any[]),
      within,
    )
    await expect(run.call('grace', 'MapUnmapped', { unmapped_id: thing.unmapped_id, service: 'nowhere' })).rejects.toMatchObject({
      code: 'not_found',
    })
    await run.call('grace', 'MapUnmapped', { unmapped_id: thing.unmapped_id, service: 'mail' })
    const [found] = await eventually(async () => ((all) => all[0]?.phase === 'cleared' && all)(await signals('mail')), within)
    expect(found).toMatchObject({
      problem: 'mail: QueueStuck',
      ended_at: ago(41),
      episodes: [{ started_at: ago(50), words: [{ source: 'http://am', status: 'resolved', said_at: ago(40) }] }],
    })
    expect((await listed()).unmapped).toEqual([])
    expect((await run.call('ada', 'ListSources', {})).sources).toMatchObject([
      { source: 'http://am', kind: 'alertmanager', alerts_left_out: '0', advice: '' },
    ])
  })
})

test('an incident goes from declared to reviewed, with its suspects and its owner', async () => {
  await put('auth', { runbook: 'https://wiki/auth' })
  await ran('auth', 30, { artifact: fixed, deployment: 'dep-9', changes_entered: [sha(9)] })
  await eventually(async () => (await run.call('ada', 'WhatRuns', { service: 'auth' })).running.length === 1, within)
  const step = (method: string, request: object = {}) => run.call('grace', method, { incident_id: 'INC-7', ...request })
  await step('DeclareIncident', { service: 'auth', severity: 'high', title: 'Nobody can log in', began_at: ago(20) })
  await step('AcknowledgeIncident')
  await step('MitigateIncident', { note: 'switched off' })
  await expect(step('ReviewIncident', { summary: 's' })).rejects.toMatchObject({
    code: 'wrong_phase',
    details: { missing: ['resolved_at'] },
  })
  await step('ResolveIncident', { resolved_at: ago(5) })
  await step('AttributeIncident', { cause: 'deployment', artifact: fixed, reason: 'began after it' })
  await step('ReviewIncident', { summary: 'a bad token', follow_ups: [{ title: 'Alert on it' }] })
  const incident = await eventually(
    async () =>
      ((found) => found.suspects.length === 1 && found)((await run.call('ada', 'GetIncident', { incident_id: 'INC-7' })).incident),
    within,
  )
  expect(incident).toMatchObject({
    phase: 'reviewed',
    owner: 'team-auth',
    owner_now: 'team-auth',
    runbook: 'https://wiki/auth',
    resolved_at: ago(5),
    cause: 'deployment',
    cause_deployment_id: 'dep-9',
    suspects: [{ deployment_id: 'dep-9', changes: [sha(9)], reason: expect.stringContaining('10 minutes before') }],
    follow_ups: [{ follow_up_id: 'F1', title: 'Alert on it' }],
  })
  expect(incident.timeline.map(({ what, by }: Any) => `${what} ${by}`)).toEqual(
    ['declared', 'acknowledged', 'mitigated', 'resolved', 'attributed', 'reviewed'].map((what) => `${what} person:grace`),
  )
  expect((await run.call('ada', 'ListIncidents', { service: 'auth', phase: 'reviewed' })).incidents).toHaveLength(1)
})

test('a report that comes again, under its id or another, is counted once', async () => {
  const proof_id = await fixing('twice', 'REQ-9')
  const same = { artifact: fixed, requests: 100 }
  await report('twice', 150, 140, same)
  await report('twice', 150, 140, same)
  await report('twice', 140, 130, { artifact: fixed, requests: 1 })
  const { proof } = await eventually(
    async () => ((found) => found.proof.after.exposure >= 101 && found)(await run.call('ada', 'GetProof', { proof_id })),
    within,
  )
  expect(proof.after.exposure).toBe(101)
})
