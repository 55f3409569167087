import { change, gate, placement } from '@rondo/contracts/builds'
import { item } from '@rondo/contracts/feedback'
import { issue } from '@rondo/contracts/intake'
import { incident, proof, signal } from '@rondo/contracts/operations'
import { requirement as own } from '@rondo/contracts/requirements'
import {
  type AnyStream,
  ask,
  decide,
  type Envelope,
  evolve,
  type FactType,
  type Instant,
  type Message,
  plus,
  type StateOf,
} from '@rondo/kernel'
import type { Found, Read } from '@rondo/reaction'
import { beforeEach, describe, expect, it } from 'vitest'
import { idsOf } from './evidence.ts'
import { impactOf } from './impact.ts'
import { phaseOf, type Requirement } from './phase.ts'
import { reactions } from './reactions.ts'
import { requirement } from './requirement.ts'

const start: Instant = '2026-01-01T00:00:00.000000Z'

/** The reactions and the stream without a ledger: what is told is decided and folded at once; own facts react in turn. */
class World {
  readonly states = new Map<string, { version: number; state: Requirement }>()
  readonly facts: { readonly type: string; readonly streamId: string }[] = []
  #events = 0

  readonly read: Read = {
    load: async <S extends AnyStream>(_: S, id: string) => (this.states.get(id)?.state ?? requirement.initial) as StateOf<S>,
    loadAll: async <S extends AnyStream>(_: S, ids: readonly string[]) => this.#found<S>((id) => ids.includes(id)),
    find: async <S extends AnyStream>(_: S, key: keyof S['keys'] & string, values: readonly string[]) =>
      this.#found<S>((_id, state) => requirement.keys[key as 'signal'](state).some((value) => values.includes(value))),
    list: () => Promise.reject(new Error('reactions do not list')),
    view: () => {
      throw new Error('there are no views')
    },
  }

  #found<S extends AnyStream>(is: (id: string, state: Requirement) => boolean): readonly Found<StateOf<S>>[] {
    const ids = [...this.states.keys()].sort()
    return ids.flatMap((id) => {
      const known = this.states.get(id)
      return known && is(id, known.state) ? [{ id, version: known.version, state: known.state as StateOf<S> }] : []
    })
  }

  async happened<Data>(fact: FactType<string, Data>, streamId: string, data: Data, id?: string): Promise<void> {
    this.#events += 1
    const event = {
      id: id ?? `00000000-0000-5000-8000-${String(this.#events).padStart(12, '0')}`,
      type: fact.base,
      streamId,
      data: fact.schema.parse(data),
      occurredAt: plus(start, this.#events * 60_000),
    }
    await this.#react(event as Envelope)
  }

  async #react(event: Envelope): Promise<void> {
    for (const reaction of reactions.filter(({ fact }) => fact.base === event.type))
      for (const message of reaction.react(event, await reaction.read?.(event, this.read))) await this.#submit(message, event.occurredAt)
  }

  async ask(message: Message): Promise<void> {
    this.#events += 1
    await this.#submit(message, plus(start, this.#events * 60_000))
  }

  async #submit(message: Message, at: Instant): Promise<void> {
    const { version, state } = this.states.get(message.id) ?? { version: 0, state: requirement.initial }
    const { facts, refused } = decide(message, state, { at, actor: 'person:ada', messageId: 'm', streamId: message.id })
    if (refused) throw refused
    const after = facts.reduce((next, { verb, data }) => evolve(requirement, next, verb, data, { id: 'x', at, actor: 'person:ada' }), state)
    this.states.set(message.id, { version: version + facts.length, state: after })
    for (const fact of facts) {
      this.facts.push({ type: fact.type, streamId: message.id })
      this.#events += 1
      const event = {
        id: `00000000-0000-5000-9000-${String(this.#events).padStart(12, '0')}`,
        type: fact.type.replace(/\.v\d+$/, ''),
        streamId: message.id,
        data: fact.data,
        occurredAt: at,
      }
      await this.#react(event as Envelope)
    }
  }

  state = (id: string): Requirement => this.states.get(id)?.state ?? requirement.initial
  now = () => plus(start, this.#events * 60_000 + 30_000)
  phase = (id: string) => phaseOf(this.state(id))
}

const place = { service: 'shop', environment: 'production', problem: 'shop/CheckoutErrors' }
const opened = (id: string, problem = place.problem) => ({
  ...place,
  problem,
  signal: id,
  kind: 'alert' as const,
  fingerprint: id,
  title: 'checkout fails',
  source: 'am',
  episode: start,
})
const observed = (id: string, episode: Instant) => ({ ...place, signal: id, title: 'checkout fails', source: 'am', episode })
const shas = ['a'.repeat(40), 'b'.repeat(40)] as const
const digests = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const
const repository = { host: 'github.com', full_name: 'example/shop' }
const recorded = (sha: string, implementing: string[]) => ({
  repository,
  repository_id: 'example/shop',
  sha,
  reaches: [],
  shallow: false,
  subject: 's',
  committed_at: start,
  contributors: [],
  implements: implementing,
  mentions: [],
  reverts: [],
  picked_from: [],
})
const decidedFor = (artifact: string, requirements: string[], release_allowed = true) => ({
  artifact,
  service: 'shop',
  verdict: 'pass' as const,
  score: 100,
  criteria: [],
  policy_hash: 'h',
  inputs_hash: 'h',
  release_allowed,
  reasons: [],
  requirements,
})
const changed = (
  artifact: string,
  rest: { entered?: string[]; left?: string[]; contains?: string[]; changes_entered?: string[]; changes_left?: string[] },
) => ({
  service: 'shop',
  environment: 'production',
  production: true,
  artifact,
  deployment: 'd',
  share: 1,
  since: world.now(),
  missing: [],
  entered: [],
  left: [],
  contains: [],
  changes_entered: [],
  changes_left: [],
  ...rest,
})
const declared = (signals: string[], problem?: string) => ({
  incident: 'INC-1',
  service: 'shop',
  severity: 'high' as const,
  title: 'shop is down',
  began_at: start,
  signals,
  environment: 'production',
  owner: 'team',
  by: 'person:ada',
  ...(problem && { problem }),
})
const linked = { item: 'i-1', requirement: 'REQ-1', requester: 'r-1', voters: ['r-2'], by: 'person:ada' }
const raiseByHand = (id: string) =>
  ask(requirement, id, 'raise', { title: 'by hand', service: 'shop', origin: { kind: 'person', id: 'person:ada' } })

let world: World
beforeEach(() => {
  world = new World()
})

describe('signals and incidents', () => {
  it('raise one requirement for a problem, with an id made of the event', async () => {
    await world.happened(signal.opened, 's-1', opened('s-1'), '018f0000-0000-5000-8000-0000deadbeef')
    await world.happened(signal.opened, 's-2', opened('s-2'))
    await world.happened(signal.opened, 's-3', opened('s-3', 'shop/SlowCheckout'), '018f0000-0000-5000-8000-00000000cafe')
    expect([...world.states.keys()]).toEqual(['REQ-DEADBEEF', 'REQ-0000CAFE'])
    expect(idsOf(world.state('REQ-DEADBEEF').signals)).toEqual(['s-1', 's-2'])
  })

  it('give a longer id where the short one is taken', async () => {
    await world.happened(signal.opened, 's-1', opened('s-1'), '018f0000-0000-5000-8000-0000deadbeef')
    await world.happened(signal.opened, 's-2', opened('s-2', 'shop/Other'), '018f0000-0000-5000-8000-1111deadbeef')
    expect([...world.states.keys()]).toEqual(['REQ-DEADBEEF', 'REQ-1111DEADBEEF'])
  })

  it('never raise two for an incident and its signal, whichever comes first', async () => {
    await world.happened(incident.declared, 'INC-1', declared(['s-1']))
    await world.happened(signal.opened, 's-1', opened('s-1'))
    expect(world.states.size).toBe(1)
    world = new World()
    await world.happened(signal.opened, 's-1', opened('s-1'))
    await world.happened(incident.declared, 'INC-1', declared(['s-1'], place.problem))
    await world.happened(incident.declared, 'INC-1', declared(['s-1'], place.problem))
    expect(world.states.size).toBe(1)
    expect(impactOf(world.state('REQ-00000001'))).toMatchObject({ incidents: 1, signals: 1 })
  })

  it('join a verified requirement; only the proof reopens it', async () => {
    await world.happened(signal.opened, 's-1', opened('s-1'))
    const id = 'REQ-00000001'
    const judged = {
      proof: 'p-1',
      requirement: id,
      service: 'shop',
      reason: 'silent',
      bound: 0.1,
      target_ratio: 0.5,
      artifacts: [],
      query: 'q',
    }
    const counts = { events: 0, exposure: 1, unit: 'requests' as const, from: start, to: start, event_ids: [] }
    await world.happened(proof.judged, 'p-1', { ...judged, verdict: 'verified', before: counts, after: counts })
    await world.happened(signal.observed, 's-1', observed('s-1', plus(start, 3_600_000)))
    expect(world.phase(id)).toBe('verified')
    await world.happened(proof.recurred, 'p-1', { proof: 'p-1', requirement: id, service: 'shop', signal: 's-1', at: start })
    expect(world.phase(id)).toBe('reopened')
    expect(world.states.size).toBe(1)
  })

  it('raise a new one after the old was declined', async () => {
    await world.happened(signal.opened, 's-1', opened('s-1'))
    await world.ask(ask(requirement, 'REQ-00000001', 'decline', { reason: 'no' }))
    await world.happened(signal.opened, 's-1', opened('s-1'))
    expect(world.states.size).toBe(2)
  })

  it('raise one for each follow-up of a review, once', async () => {
    const reviewed = {
      incident: 'INC-1',
      service: 'shop',
      summary: 's',
      follow_ups: [
        { id: '1', title: 'alert earlier' },
        { id: '2', title: 'retry' },
      ],
      by: 'person:ada',
    }
    await world.happened(incident.reviewed, 'INC-1', reviewed)
    await world.happened(incident.reviewed, 'INC-1', reviewed)
    expect([...world.states.values()].map(({ state }) => state.raised?.title)).toEqual(['alert earlier', 'retry'])
  })
})

describe('changes, artifacts, environments', () => {
  it('carry it to "released" and back', async () => {
    await world.ask(raiseByHand('REQ-1'))
    await world.happened(change.recorded, shas[0], recorded(shas[0], ['REQ-1']))
    expect(world.phase('REQ-1')).toBe('in_progress')
    await world.happened(gate.decided, digests[0], decidedFor(digests[0], ['REQ-1'], false))
    expect(world.phase('REQ-1')).toBe('in_progress')
    await world.happened(gate.decided, digests[0], decidedFor(digests[0], ['REQ-1']))
    expect(world.phase('REQ-1')).toBe('built')
    await world.happened(placement.changed, 'shop', changed(digests[0], { entered: ['REQ-1'], contains: ['REQ-1'] }))
    expect(world.phase('REQ-1')).toBe('released')
    await world.happened(placement.changed, 'shop', changed(digests[1], { left: ['REQ-1'] }))
    expect(world.phase('REQ-1')).toBe('built')
  })

  it('take "released" back by when it was removed, and give it again where that turns out to be wrong', async () => {
    const ran = { ...changed(digests[0], { entered: ['REQ-1'], contains: ['REQ-1'] }), since: plus(start, 60_000), basis: 1 }
    const removed = { ...changed(digests[0], { left: ['REQ-1'] }), share: 0, since: plus(start, 120_000), basis: 2 }
    for (const order of [
      [ran, removed],
      [removed, ran],
    ]) {
      world = new World()
      await world.ask(raiseByHand('REQ-1'))
      for (const one of order) await world.happened(placement.changed, 'shop', one)
      expect(world.phase('REQ-1')).toBe('built')
      const known = { ...changed(digests[1], { contains: ['REQ-1'] }), since: removed.since, basis: 3 }
      await world.happened(placement.changed, 'shop', known)
      expect(world.phase('REQ-1')).toBe('released')
    }
  })

  it('see a second fix enter although the requirement was inside already', async () => {
    await world.ask(raiseByHand('REQ-1'))
    await world.happened(change.recorded, shas[0], recorded(shas[0], ['REQ-1']))
    await world.happened(placement.changed, 'shop', changed(digests[0], { entered: ['REQ-1'], contains: ['REQ-1'] }))
    await world.ask(ask(requirement, 'REQ-1', 'reopen', { reason: 'it still fails' }))
    await world.happened(change.recorded, shas[1], recorded(shas[1], ['REQ-1']))
    await world.happened(gate.decided, digests[1], decidedFor(digests[1], ['REQ-1']))
    expect(world.phase('REQ-1')).toBe('built')
    await world.happened(placement.changed, 'shop', changed(digests[1], { contains: ['REQ-1'], changes_entered: [shas[1]] }))
    expect(world.phase('REQ-1')).toBe('released')
    await world.happened(placement.changed, 'shop', changed(digests[0], { contains: ['REQ-1'], changes_left: [shas[1]] }))
    expect(world.phase('REQ-1')).toBe('built')
  })
})

describe('feedback and issues', () => {
  it('are counted by requester, once', async () => {
    await world.ask(raiseByHand('REQ-1'))
    await world.happened(item.linked, 'i-1', linked)
    await world.happened(item.linked, 'i-1', linked)
    await world.happened(item.voted, 'i-1', { item: 'i-1', requester: 'r-3', requirements: ['REQ-1'] })
    expect(impactOf(world.state('REQ-1')).requesters).toBe(3)
  })

  it('raise what nobody has yet, once', async () => {
    const asked = { item: 'i-1', title: 'dark mode', service: 'shop', requester: 'r-1', voters: [], by: 'person:ada' }
    await world.happened(item.asked_for, 'i-1', asked)
    await world.happened(item.asked_for, 'i-1', asked)
    const observedIssue = {
      repository,
      number: 7,
      state: 'open' as const,
      title: 'dark mode',
      reporter: 'person:ada',
      labels: ['requirement', 'service:web'],
    }
    await world.happened(issue.observed, 'x', observedIssue)
    await world.happened(issue.observed, 'x', { ...observedIssue, title: 'dark mode please' })
    await world.happened(issue.observed, 'x', { ...observedIssue, number: 8, labels: ['bug'] })
    expect([...world.states.values()].map(({ state }) => [state.raised?.service, state.raised?.origin.kind])).toEqual([
      ['shop', 'feedback'],
      ['web', 'import'],
    ])
  })
})

describe('merge and split', () => {
  beforeEach(async () => {
    await world.ask(raiseByHand('REQ-1'))
    await world.happened(signal.opened, 's-1', opened('s-1'), '018f0000-0000-5000-8000-0000deadbeef')
    await world.happened(item.linked, 'i-1', { ...linked, requirement: signalled })
    await world.ask(ask(requirement, signalled, 'merge', { into: 'REQ-1', reason: 'the same' }))
  })
  const signalled = 'REQ-DEADBEEF'

  it('counts at the other what comes to the merged one, before and after', async () => {
    await world.happened(signal.opened, 's-2', opened('s-2'))
    await world.happened(item.voted, 'i-1', { item: 'i-1', requester: 'r-3', requirements: [signalled] })
    expect(world.states.size).toBe(2)
    expect(idsOf(world.state('REQ-1').signals)).toEqual(['s-1', 's-2'])
    expect(impactOf(world.state('REQ-1')).requesters).toBe(3)
  })

  it('gives all of it back', async () => {
    await world.happened(signal.opened, 's-2', opened('s-2'))
    await world.ask(ask(requirement, signalled, 'unmerge'))
    expect(impactOf(world.state('REQ-1')).score).toBe(0)
    expect(idsOf(world.state(signalled).signals)).toEqual(['s-1', 's-2'])
    await world.ask(ask(requirement, signalled, 'merge', { into: 'REQ-1', reason: 'after all' }))
    expect(impactOf(world.state('REQ-1'))).toMatchObject({ signals: 2, requesters: 2 })
  })

  it('splits into a new one, where further episodes of the signal go', async () => {
    await world.ask(
      ask(requirement, 'REQ-1', 'split', { signals: ['s-1'], items: ['i-1'], incidents: [], to: 'REQ-NEW', title: 'only this' }),
    )
    expect(world.state('REQ-NEW').raised).toMatchObject({ title: 'only this', origin: { kind: 'signal', id: 's-1' } })
    expect(impactOf(world.state('REQ-NEW'))).toMatchObject({ signals: 1, requesters: 2 })
    expect(impactOf(world.state('REQ-1')).score).toBe(0)
  })

  it('ends where two are merged into each other', async () => {
    world.states.set('REQ-1', { version: 9, state: { ...world.state('REQ-1'), merge: { into: signalled, at: start } } })
    await world.happened(own.joined, signalled, { signal: 's-1', problem: place.problem, service: 'shop' })
    expect(world.facts.length).toBeLessThan(30)
  })
})
