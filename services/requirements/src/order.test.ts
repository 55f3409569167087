import { decide, evolve, type Instant, plus } from '@rondo/kernel'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Requirement } from './phase.ts'
import { requirement } from './requirement.ts'

interface Message {
  readonly rule: string
  readonly input: unknown
  readonly at: Instant
}

const start: Instant = '2026-01-01T00:00:00.000000Z'
const digest = fc.constantFrom(`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`)
const sha = fc.constantFrom('a'.repeat(40), 'b'.repeat(40))
const small = (prefix: string) => fc.integer({ min: 1, max: 3 }).map((n) => `${prefix}-${n}`)
const instant = fc.integer({ min: 0, max: 60 }).map((minutes) => plus(start, minutes * 60_000))
const draft = { title: fc.constantFrom('fails', 'still fails'), service: fc.constant('shop') }
const problem = fc.constant('shop/errors')
const place = fc.record({
  service: small('service'),
  environment: fc.constantFrom('production', 'eu'),
  artifact: digest,
  production: fc.constant(true),
  at: instant,
  basis: fc.integer({ min: 0, max: 2 }),
})
const signal = fc.record({ signal: small('s'), problem, service: draft.service, title: draft.title, episode: instant })

/** What comes by itself, each with its input. `giveBack` answers to what is there, so it is left to the test of merges. */
const inputs: Readonly<Record<Exclude<keyof typeof requirement.tells, 'giveBack'>, fc.Arbitrary<unknown>>> = {
  signalOpened: signal,
  changeNamed: fc.record({ sha, repository: fc.constant('shop'), at: instant }),
  gateDecided: fc.record({ artifact: digest, allowed: fc.boolean(), verdict: fc.constant('pass'), reasons: fc.constant([]) }),
  entered: place,
  left: place,
  proofOpened: fc.record({ proof: small('p'), environment: fc.constant('production') }),
  proofJudged: fc.record({
    proof: small('p'),
    verdict: fc.constantFrom('verified', 'regressed', 'inconclusive', 'error'),
    reason: fc.constant('because'),
  }),
  proofRecurred: fc.record({ proof: small('p'), signal: small('s') }),
  feedbackLinked: fc.record({ item: small('i'), requesters: fc.array(small('r'), { minLength: 1, maxLength: 3 }) }),
  feedbackAskedFor: fc.record({ ...draft, problem, item: small('i'), requesters: fc.array(small('r'), { minLength: 1, maxLength: 2 }) }),
  incidentDeclared: fc.record({ ...draft, problem, incident: small('INC'), signals: fc.constant(['s-1']) }),
  followUp: fc.record({ ...draft, problem, origin: fc.constant('INC-1/1') }),
  importedIssue: fc.record({ ...draft, problem, origin: fc.constant('issue-1') }),
  receive: fc.record({
    from: small('REQ'),
    signals: fc.array(
      signal.map(({ title: _, ...rest }) => rest),
      { maxLength: 2 },
    ),
    requests: fc.array(fc.record({ item: small('i'), requester: small('r') }), { maxLength: 2 }),
    incidents: fc.constant([{ incident: 'INC-1', signals: ['s-1'] }]),
  }),
}
const one = fc.oneof(...Object.entries(inputs).map(([rule, input]) => input.map((value) => ({ rule, input: value }))))
/** All at different times, as facts from outside nearly always are. */
const history = fc
  .array(one, { minLength: 1, maxLength: 12 })
  .map((all): readonly Message[] => all.map((message, index) => ({ ...message, at: plus(start, index * 90_000) })))
const shuffled = history.chain((all) =>
  fc.tuple(
    fc.constant(all),
    fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
    fc.shuffledSubarray([...all], { minLength: all.length }),
  ),
)

function told(messages: readonly Message[]): Requirement {
  return messages.reduce((state, { rule, input, at }, index) => {
    const context = { at, actor: 'service:test', messageId: `m-${index}`, streamId: 'REQ-1' }
    const { facts } = decide({ kind: 'tell', stream: requirement, id: 'REQ-1', rule, input }, state, context)
    return facts.reduce(
      (next, { verb, data }) =>
        evolve(requirement, next, verb, requirement.facts[verb as 'raised'].schema.parse(data), {
          id: `m-${index}`,
          at,
          actor: 'service:test',
        }),
      state,
    )
  }, requirement.initial)
}
const canonical = (state: Requirement) => ({ phase: requirement.phase?.(state), ...JSON.parse(JSON.stringify(state)) })

it('ends in the same state whatever the order and however often', () => {
  fc.assert(
    fc.property(shuffled, ([all, twice, other]) => {
      const end = canonical(told(all))
      expect(canonical(told(other))).toEqual(end)
      expect(canonical(told(twice))).toEqual(end)
    }),
    { numRuns: 500 },
  )
})

it('makes nothing of what was told already', () => {
  fc.assert(
    fc.property(history, (all) => {
      const state = told(all)
      for (const { rule, input, at } of all) {
        const context = { at, actor: 'service:test', messageId: 'again', streamId: 'REQ-1' }
        expect(decide({ kind: 'tell', stream: requirement, id: 'REQ-1', rule, input }, state, context).facts).toEqual([])
      }
    }),
    { numRuns: 300 },
  )
})

it('never throws at a tell, in any state that asks could have made', () => {
  const decisions = fc.constantFrom(
    { verb: 'declined', data: { reason: 'no', by: 'person:ada' } },
    { verb: 'merged', data: { into: 'REQ-9', by: 'person:ada', reason: 'same' } },
    { verb: 'verified', data: { by: 'person:ada' } },
    { verb: 'refined', data: { goal: 'g', acceptance: ['a'], operability: {}, designs: [] } },
    { verb: 'split', data: { signals: ['s-1'], items: ['i-1'], incidents: ['INC-1'], to: 'REQ-8', by: 'person:ada' } },
  )
  fc.assert(
    fc.property(history, fc.array(decisions, { maxLength: 4 }), small('REQ'), (all, made, to) => {
      const occurrence = { id: 'd', at: plus(start, 600_000), actor: 'person:ada' }
      const state = made.reduce((before, { verb, data }) => evolve(requirement, before, verb, data, occurrence), told(all))
      for (const { rule, input, at } of [...all, { rule: 'giveBack', input: { to }, at: start }]) {
        const context = { at, actor: 'service:test', messageId: 'm', streamId: 'REQ-1' }
        expect(() => decide({ kind: 'tell', stream: requirement, id: 'REQ-1', rule, input }, state, context)).not.toThrow()
      }
    }),
    { numRuns: 300 },
  )
})
