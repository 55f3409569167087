import { readFileSync } from 'node:fs'
import { decide, evolve, type Instant, parseInstant } from '@rondo/kernel'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, it } from 'vitest'
import { idsOf } from './evidence.ts'
import { notedSignals } from './impact.ts'
import { lastReopening, phaseOf, type Requirement } from './phase.ts'
import { requirement } from './requirement.ts'

interface Fact {
  readonly id: string
  readonly type: string
  readonly occurred_at: string
  readonly signal_event_id?: string
  readonly artifact_contains_fix?: boolean
}
interface Case {
  readonly name: string
  readonly given: {
    readonly subject: string
    readonly facts: readonly Fact[]
    readonly orders_received_by_index: readonly (readonly number[])[]
  }
  readonly expect: {
    readonly end_state_of_every_order: {
      status: string
      joined_signal_event_ids: string[]
      noted_without_fix_ids: string[]
      reopened_against_proof: string | null
    }
  }
}
type Message = readonly [kind: 'ask' | 'tell', rule: string, input?: unknown]

const artifact = `sha256:${'1'.repeat(64)}`
const production = (fact: Fact) => ({
  service: 'shop',
  environment: 'production',
  artifact,
  production: true,
  at: parseInstant(fact.occurred_at) ?? '',
  basis: 0,
})
const complete = { goal: 'g', acceptance: ['a'], operability: { owner: 'o', runbook: 'r', objective: 's' }, designs: [] }
const signal = (fact: Fact) => ({
  signal: fact.signal_event_id ?? '',
  problem: 'shop/errors',
  service: 'shop',
  title: 'errors',
  episode: parseInstant(fact.occurred_at),
})

/** What each fact of the vectors is in our words. The artifact and its gate verdict come to us as one decision. */
const messages: Readonly<Record<string, (fact: Fact) => readonly Message[]>> = {
  'requirement.raised': () => [['tell', 'followUp', { origin: 'R-1/1', title: 't', service: 'shop' }]],
  'change.named': () => [['tell', 'changeNamed', { sha: 'c'.repeat(40), repository: 'shop', at: '2026-03-02T08:00:00.000000Z' }]],
  'artifact.published': () => [],
  'gate.verdict': () => [['tell', 'gateDecided', { artifact, allowed: true, verdict: 'pass', reasons: [] }]],
  'deployment.succeeded': (fact) => [['tell', 'entered', production(fact)]],
  'proof.opened': () => [['tell', 'proofOpened', { proof: 'p-1', environment: 'production' }]],
  'proof.verdict': () => [['tell', 'proofJudged', { proof: 'p-1', verdict: 'verified', reason: 'silent' }]],
  'signal.observed': (fact) => [
    ['tell', 'signalOpened', signal(fact)],
    ...(fact.artifact_contains_fix ? [['tell', 'proofRecurred', { proof: 'p-1', signal: fact.signal_event_id }] as const] : []),
  ],
}

/** What a person decided is in the history whatever was seen before: it is folded, not asked again. */
const decided: Readonly<Record<string, readonly [verb: string, data: unknown]>> = {
  'requirement.refined': ['refined', complete],
  'requirement.ready': ['readied', { by: 'person:ada' }],
}

function receive(state: Requirement, fact: Fact): Requirement {
  const at = parseInstant(fact.occurred_at) as Instant
  const occurrence = { id: fact.id, at, actor: 'person:ada' }
  const person = decided[fact.type]
  if (person) return evolve(requirement, state, ...person, occurrence)
  const context = { at, actor: 'person:ada', messageId: fact.id, streamId: 'REQ-1' }
  return (messages[fact.type]?.(fact) ?? []).reduce((before, [kind, rule, input]) => {
    const { facts } = decide({ kind, stream: requirement, id: 'REQ-1', rule, input }, before, context)
    return facts.reduce((next, { verb, data }) => evolve(requirement, next, verb, data, occurrence), before)
  }, state)
}

const path = ['vectors', 'convergence.json']
const missing = sharedMissing(...path)
const cases = missing
  ? []
  : (JSON.parse(readFileSync(shared(...path), 'utf8')) as { cases: Case[] }).cases.filter((one) => one.given.subject === 'requirement')

describe('the same facts in any order end in the same phase', () => {
  needs({ also: missing })

  it('has cases', () => expect(cases.length).toBeGreaterThan(20))

  it.each(cases)('$name', ({ given: { facts, orders_received_by_index: orders }, expect: { end_state_of_every_order: end } }) => {
    expect(facts.filter(({ type }) => !messages[type] && !decided[type])).toEqual([])
    for (const order of orders) {
      const state = order.reduce((before, index) => receive(before, facts[index] as Fact), requirement.initial)
      expect({
        status: phaseOf(state).replace('_', ' '),
        joined_signal_event_ids: idsOf(state.signals),
        noted_without_fix_ids: notedSignals(state),
        reopened_against_proof: phaseOf(state) === 'reopened' ? lastReopening(state)?.proof : null,
      }).toEqual(end)
    }
  })
})
