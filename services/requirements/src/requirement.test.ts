import { requirement as fact } from '@rondo/contracts/requirements'
import { at, given } from '@rondo/kernel/given'
import { describe, expect, it } from 'vitest'
import { impactOf, notedSignals, waitsFor } from './impact.ts'
import { missingForReady, phases, stepsNotSeen } from './phase.ts'
import { requirement } from './requirement.ts'

const operability = { owner: 'team-shop', runbook: 'https://runbooks.example.org/shop', objective: 'checkout 99.9 %' }
const complete = { goal: 'checkout works', acceptance: ['no 500 for a full cart'], operability, designs: [] }
const draft = { title: 'checkout fails', service: 'shop' }
const raised = fact.raised({ ...draft, origin: { kind: 'person', id: 'person:ada' } })
const fromSignal = fact.raised({ ...draft, problem: 'shop/CheckoutErrors', origin: { kind: 'signal', id: 's-1' } })
const joined = fact.joined({ signal: 's-1', problem: 'shop/CheckoutErrors', service: 'shop' })
const refined = fact.refined(complete)
const readied = fact.readied({ by: 'person:ada' })
const sha = 'a'.repeat(40)
const [a1, a2] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`]
const named = fact.named({ sha, repository: 'example/shop', at: '2026-01-01T00:00:00.000000Z' })
const built = fact.built({ artifact: a1, revision: sha })
const minute = (n: number) => `2026-01-01T00:${String(n).padStart(2, '0')}:00.000000Z`
const move = (n: number, rest = {}) => ({
  service: 'shop',
  environment: 'production',
  artifact: a1,
  production: true,
  at: minute(n),
  basis: 0,
  ...rest,
})
const entered = fact.entered(move(6))
const left = (n: number) => fact.left(move(n))
const proofOpened = fact.proof_opened({ proof: 'p-1', environment: 'production' })
const verified = fact.verified({ proof: 'p-1', reason: 'silent' })
const again = fact.reopened({ proof: 'p-1', signal: 's-2', reason: 'the signal came again from an artifact with the fix' })
const whole = [fromSignal, joined, refined, readied, named, built, entered, proofOpened, verified] as const

describe('a requirement', () => {
  it('goes its way step by step, whatever the order', () => {
    const steps = ['draft', 'draft', 'refined', 'ready', 'in_progress', 'built', 'released', 'verifying', 'verified']
    steps.forEach((phase, index) =>
      given(requirement, ...whole.slice(0, index + 1))
        .inAnyOrder()
        .phase(phase),
    )
  })

  it('is raised by a signal, joined by the next, and each only once', () => {
    const seen = { signal: 's-1', problem: 'shop/CheckoutErrors', service: 'shop', title: 'checkout fails' }
    given(requirement).tell('signalOpened', seen).then(fromSignal, joined)
    given(requirement, fromSignal).tell('signalOpened', seen).then(joined)
    given(requirement, fromSignal, at(minute(2), joined))
      .tell('signalOpened', seen, { at: minute(2) })
      .nothing()
    given(requirement, fromSignal, at(minute(2), joined))
      .tell('signalOpened', seen, { at: minute(3) })
      .then(joined)
  })

  it('is raised once: an earlier report that comes later dates it back', () => {
    const earlier = { signal: 's-0', problem: 'shop/CheckoutErrors', service: 'shop', title: 'failed before' }
    const { signal: id, title, ...about } = earlier
    const back = fact.dated_back({ ...about, title, origin: { kind: 'signal', id } })
    const history = [at(minute(5), fromSignal), at(minute(5), joined)]
    given(requirement, ...history)
      .tell('signalOpened', earlier, { at: minute(1) })
      .then(back, fact.joined({ signal: id, ...about }))
    given(requirement, ...history, at(minute(1), back))
      .inAnyOrder()
      .phase('draft')
    given(requirement, ...history, at(minute(1), back))
      .tell('signalOpened', { ...earlier, signal: 's-2' }, { at: minute(7) })
      .then(fact.joined({ ...about, signal: 's-2' }))
  })

  it('refuses "ready" with all that is missing', () => {
    const { details } = given(requirement, raised).ask('makeReady').refused('wrong_phase')
    expect(details).toMatchObject({
      from: 'draft',
      to: 'ready',
      missing: ['goal', 'acceptance', 'operability.owner', 'operability.runbook', 'operability.objective'],
    })
    const half = fact.refined({ ...complete, operability: { owner: 'team-shop' } })
    expect(given(requirement, raised, half).ask('makeReady').refused('wrong_phase').details.missing).toEqual([
      'operability.runbook',
      'operability.objective',
    ])
    given(requirement, raised, refined)
      .ask('makeReady')
      .then(fact.readied({ by: 'person:somebody' }))
    given(requirement, raised, refined, readied).ask('makeReady').nothing()
  })

  it('stays complete once it is ready', () => {
    const { details } = given(requirement, raised, refined, readied)
      .ask('refine', { ...complete, operability: {} })
      .refused('wrong_phase')
    expect(details.missing).toHaveLength(3)
    given(requirement, raised, refined, readied).ask('refine', complete).then(refined)
    expect(missingForReady({})).toHaveLength(5)
  })

  it('is declined with the reason, not while it runs', () => {
    given(requirement, raised)
      .ask('decline', { reason: 'too costly' })
      .then(fact.declined({ reason: 'too costly', by: 'person:somebody' }))
    const declined = fact.declined({ reason: 'too costly', by: 'person:ada' })
    given(requirement, raised, declined).ask('decline', { reason: 'again' }).nothing()
    given(requirement, raised, entered).ask('decline', { reason: 'too costly' }).refused('wrong_phase')
    given(requirement, raised, declined).ask('refine', complete).refused('wrong_phase')
    given(requirement, raised, refined, declined).inAnyOrder().phase('declined')
    given(requirement, raised, refined, declined, fact.reopened({ reason: 'budget', from: 'declined' }))
      .inAnyOrder()
      .phase('refined')
  })

  it('goes back to built when no environment runs it any more, and stands verified all the same', () => {
    given(requirement, ...whole.slice(0, 7), left(7))
      .inAnyOrder()
      .phase('built')
    given(requirement, ...whole.slice(0, 8), left(8))
      .inAnyOrder()
      .phase('built')
    given(requirement, ...whole, left(9)).phase('verified')
    given(requirement, ...whole.slice(0, 7), left(7), fact.entered(move(8))).phase('released')
    given(requirement, raised, named, fact.entered(move(2, { environment: 'staging', production: false }))).phase('built')
  })

  it('runs as long as one of its services does, and believes the better informed word', () => {
    given(requirement, ...whole.slice(0, 7), fact.entered(move(7, { service: 'web' })), left(8))
      .inAnyOrder()
      .phase('released')
    given(requirement, ...whole.slice(0, 7), fact.left(move(6, { basis: 1 })))
      .inAnyOrder()
      .phase('built')
    given(requirement, ...whole.slice(0, 7), fact.left(move(5, { basis: 9 })))
      .inAnyOrder()
      .phase('released')
  })

  it('is not built while the gate holds its artifact', () => {
    const held = fact.held({ artifact: a1, verdict: 'fail', reasons: ['tests failed'] })
    given(requirement, raised, named, held).inAnyOrder().phase('in_progress')
    given(requirement, raised, named, held, built).inAnyOrder().phase('built')
    given(requirement, raised, named, built, held).inAnyOrder().phase('in_progress')
  })

  it('is reopened by a recurrence after "verified" and by no earlier one', () => {
    given(requirement, fromSignal, refined, readied, entered, verified, again).inAnyOrder().phase('reopened')
    given(requirement, fromSignal, refined, again, entered, verified).inAnyOrder().phase('verified')
    given(requirement, ...whole, again).phase('reopened')
  })

  it('needs a new artifact after it was reopened; the old one does not answer', () => {
    const changed = fact.entered(move(11, { artifact: a2 }))
    const secondBuild = fact.built({ artifact: a2, revision: 'b'.repeat(40) })
    given(requirement, ...whole, again, fact.entered(move(10))).phase('reopened')
    given(requirement, ...whole, again, secondBuild).phase('built')
    given(requirement, ...whole, again, secondBuild, built).phase('built')
    given(requirement, ...whole, again, secondBuild, changed).phase('released')
    given(requirement, ...whole, again, secondBuild, changed, fact.entered(move(12))).phase('built')
    given(requirement, ...whole, again, secondBuild, changed, fact.proof_opened({ proof: 'p-2', environment: 'production' })).phase(
      'verifying',
    )
    given(requirement, ...whole, again, secondBuild, changed, fact.verified({ proof: 'p-2' })).phase('verified')
  })

  it('follows the proof', () => {
    const judged = { proof: 'p-1', reason: 'because' } as const
    const open = given(requirement, ...whole.slice(0, 8))
    open.tell('proofJudged', { ...judged, verdict: 'verified' }).then(fact.verified(judged))
    open.tell('proofJudged', { ...judged, verdict: 'regressed' }).then(fact.regressed(judged), fact.reopened(judged))
    open.tell('proofJudged', { ...judged, verdict: 'inconclusive' }).then(fact.undecided(judged))
    open.tell('proofJudged', { ...judged, verdict: 'error' }).nothing()
    given(requirement, ...whole)
      .tell('proofRecurred', { proof: 'p-1', signal: 's-2' })
      .then(again)
    given(requirement, ...whole, at(minute(30), again))
      .tell('proofRecurred', { proof: 'p-1', signal: 's-2' }, { at: minute(30) })
      .nothing()
  })

  it('is verified by a named person only without a signal, or where the proof could not decide', () => {
    given(requirement, raised, entered)
      .ask('verify', { reason: 'looked' })
      .then(fact.verified({ by: 'person:somebody', reason: 'looked' }))
    given(requirement, raised, entered).ask('verify', {}, { actor: 'service:ci' }).refused('forbidden')
    expect(given(requirement, raised).ask('verify', {}).refused('wrong_phase').details.missing).toEqual([
      'refined',
      'ready',
      'in_progress',
      'built',
      'released',
    ])
    given(requirement, ...whole.slice(0, 8))
      .ask('verify', { reason: 'looked' })
      .refused('wrong_phase')
    const handedOver = given(requirement, ...whole.slice(0, 8), fact.undecided({ proof: 'p-1', reason: 'too little traffic' }))
    handedOver.phase('verifying')
    handedOver.ask('verify', {}).refused('invalid')
    handedOver.ask('verify', { reason: 'looked' }).then(fact.verified({ proof: 'p-1', by: 'person:somebody', reason: 'looked' }))
  })

  it('says from, to and what is missing in every illegal transition', () => {
    const state = { ...requirement.initial, raised: { ...draft, at: minute(0), origin: { kind: 'person', id: 'person:ada' } } }
    expect(requirement.phase?.(state)).toBe('draft')
    for (const [ask, input] of [
      ['reopen', { reason: 'x' }],
      ['verify', {}],
      ['makeReady', undefined],
    ] as const) {
      const { details, message } = given(requirement, raised)
        .ask(ask, input as never)
        .refused('wrong_phase')
      expect(details).toMatchObject({ from: 'draft', to: expect.any(String), missing: expect.arrayContaining([expect.any(String)]) })
      expect(message).toContain('draft')
    }
    for (const ask of Object.keys(requirement.asks).filter((name) => name !== 'raise') as 'makeReady'[])
      given(requirement)
        .ask(ask, {} as never)
        .refused('not_found')
    given(requirement, raised)
      .ask('raise', { ...draft, origin: { kind: 'person', id: 'person:ada' } })
      .refused('already_exists')
  })

  it('lists steps that were never seen', () => {
    expect(stepsNotSeen(given(requirement, raised, entered).states()[0]!)).toEqual(['refined', 'ready', 'in_progress', 'built'])
    expect(stepsNotSeen(given(requirement, ...whole).states()[0]!)).toEqual([])
  })
})

describe('merging and splitting', () => {
  const merged = fact.merged({ into: 'REQ-2', by: 'person:ada', reason: 'the same' })

  it('can be undone', () => {
    given(requirement, raised)
      .ask('merge', { into: 'REQ-2', reason: 'the same' })
      .then(fact.merged({ into: 'REQ-2', by: 'person:somebody', reason: 'the same' }))
    given(requirement, raised, merged).phase('merged')
    given(requirement, raised, merged).ask('merge', { into: 'REQ-3', reason: 'other' }).refused('wrong_phase')
    given(requirement, raised, merged)
      .ask('unmerge')
      .then(fact.unmerged({ from: 'REQ-2', by: 'person:somebody' }))
    given(requirement, raised, refined, merged, fact.unmerged({ from: 'REQ-2', by: 'person:ada' }))
      .inAnyOrder()
      .phase('refined')
    given(requirement, raised).ask('unmerge').refused('wrong_phase')
    given(requirement, raised).ask('merge', { into: 'stream-1', reason: 'x' }).refused('invalid')
  })

  it('gives back what came with the merge, and keeps its own', () => {
    const own = fact.joined({ signal: 's-1', problem: 'p', service: 'shop' })
    const came = fact.joined({ signal: 's-1', problem: 'p', service: 'shop', moved_from: 'REQ-9' })
    const other = fact.joined({ signal: 's-2', problem: 'p', service: 'shop', moved_from: 'REQ-9' })
    given(requirement, raised, own, came, other)
      .tell('giveBack', { to: 'REQ-9' })
      .then(fact.split({ signals: ['s-2'], items: [], incidents: [], to: 'REQ-9', by: 'person:somebody' }))
    given(requirement, raised, own).tell('giveBack', { to: 'REQ-9' }).nothing()
  })

  it('moves what was joined wrongly, and only what belongs to it', () => {
    const away = fact.split({ signals: ['s-1'], items: [], incidents: [], to: 'REQ-2', by: 'person:somebody' })
    given(requirement, fromSignal, joined)
      .ask('split', { signals: ['s-1'], items: [], incidents: [], to: 'REQ-2' })
      .then(away)
    expect(
      given(requirement, fromSignal, joined)
        .ask('split', { signals: ['s-7'], items: ['i-1'], incidents: [], to: 'REQ-2' })
        .refused('not_found').details.missing,
    ).toEqual(['s-7', 'i-1'])
    given(requirement, fromSignal, joined, away)
      .ask('split', { signals: ['s-1'], items: [], incidents: [], to: 'REQ-2' })
      .refused('not_found')
    given(requirement, fromSignal, joined).ask('split', { signals: [], items: [], incidents: [], to: 'REQ-2' }).refused('invalid')
    const [state] = given(requirement, fromSignal, joined, away).inAnyOrder().states()
    expect(requirement.keys.signal(state!)).toEqual([])
  })
})

describe('impact', () => {
  const asked = (item: string, requester: string) => fact.requested({ item, requester })

  it('counts distinct requesters, signals and incidents, and says so', () => {
    const [state] = given(
      requirement,
      raised,
      joined,
      joined,
      asked('i-1', 'r-1'),
      asked('i-2', 'r-1'),
      asked('i-2', 'r-2'),
      fact.incident_joined({ incident: 'INC-1', signals: [] }),
    ).states()
    expect(impactOf(state!)).toEqual({
      incidents: 1,
      signals: 1,
      requesters: 2,
      score: 15,
      explanation: '1 incidents × 10 + 1 signals × 3 + 2 requesters × 1 = 15',
    })
  })

  it('loses an item with all its requesters', () => {
    const away = fact.split({ signals: [], items: ['i-1'], incidents: [], to: 'REQ-2', by: 'person:ada' })
    const [state] = given(requirement, raised, asked('i-1', 'r-1'), asked('i-1', 'r-2'), away).inAnyOrder().states()
    expect(impactOf(state!).requesters).toBe(0)
  })

  it('notes a signal after the release that was not from the fix', () => {
    const late = fact.joined({ signal: 's-3', problem: 'p', service: 'shop', episode: minute(40) })
    const [state] = given(requirement, raised, joined, entered, late).inAnyOrder().states()
    expect(notedSignals(state!)).toEqual(['s-3'])
  })

  it('says what it waits for and for whom, in every phase', () => {
    const waits = whole.map((_, index) => waitsFor(given(requirement, ...whole.slice(0, index + 1)).states()[0]!))
    expect(waits.map(({ whom }) => whom)).toEqual([
      'product_owner',
      'product_owner',
      'product_owner',
      'developer',
      'developer',
      'approver',
      'team-shop',
      'team-shop',
      '',
    ])
    expect(phases).toHaveLength(11)
  })
})
