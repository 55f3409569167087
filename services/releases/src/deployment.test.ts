import { readFileSync } from 'node:fs'
import { deployment as fact } from '@rondo/contracts/releases'
import { decide, evolve, type Instant, parseInstant } from '@rondo/kernel'
import { given } from '@rondo/kernel/given'
import { shared, sharedMissing } from '@rondo/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Deployment, deployment, type Observation } from './deployment.ts'
import { attemptsOf, deploymentPhase, firstSuccess, movesOf, rolledBackAt, states } from './deployment-history.ts'

interface Vector {
  readonly name: string
  readonly given: {
    readonly subject: string
    readonly facts: readonly {
      readonly deployment: string
      readonly attempt: number
      readonly phase: Observation['state']
      readonly occurred_at: string
    }[]
    readonly orders_received_by_index: readonly (readonly number[])[]
  }
  readonly expect: {
    readonly end_state_of_every_order: {
      readonly attempts: Readonly<
        Record<string, { readonly started_at: string | null; readonly finished_at: string | null; readonly outcome: string | null }>
      >
      readonly counts_as_deployments: number
      readonly first_succeeded_at: string | null
      readonly rolled_back_at: string | null
    }
  }
}

const instant = (text: string): Instant => parseInstant(text) ?? ''
const digest = `sha256:${'d'.repeat(64)}`
const notice = (state: Observation['state'], attempt?: number): Observation => ({
  source: 'https://deploy.example.org',
  external: 'd-1',
  environment: 'production',
  state,
  share: 1,
  ...(attempt ? { attempt } : {}),
})

interface Told {
  readonly rule: 'observed' | 'resolved' | 'violated' | 'incidentLinked' | 'unmapped'
  readonly input: unknown
  readonly at: Instant
}
const told = (input: Observation, at: string): Told => ({ rule: 'observed', input, at: instant(at) })

/** The state after these tells, and all facts that were made. */
function after(order: readonly Told[], start: Deployment = deployment.initial) {
  const made: { readonly verb: string; readonly data: unknown }[] = []
  const state = order.reduce((state, { rule, input, at }) => {
    const { facts, refused } = decide({ kind: 'tell', stream: deployment, id: 'd-1', rule, input }, state, {
      at,
      actor: 'service:x',
      messageId: 'm',
      streamId: 'd-1',
    })
    expect(refused).toBeUndefined()
    made.push(...facts)
    return facts.reduce((next, one) => evolve(deployment, next, one.verb, one.data, { id: 'x', at, actor: 'service:x' }), state)
  }, start)
  return { state, made }
}

test('the deployments of the convergence vectors end the same in every order', ({ skip }) => {
  const missing = sharedMissing('vectors', 'convergence.json')
  if (missing) skip(missing)
  const { cases } = JSON.parse(readFileSync(shared('vectors', 'convergence.json'), 'utf8')) as { cases: readonly Vector[] }
  const own = cases.filter(({ given }) => given.subject === 'deployment')
  expect(own.length).toBeGreaterThan(10)
  for (const { name, given, expect: expected } of own) {
    const end = expected.end_state_of_every_order
    const facts = given.facts.map(({ phase, attempt, occurred_at }) => told(notice(phase, attempt), occurred_at))
    const orders = [
      ...given.orders_received_by_index.map((order) => order.map((at) => facts[at]!)),
      [...facts].reverse(),
      [...facts, ...facts],
    ]
    const known = (time: string | null) => (time === null ? undefined : instant(time))
    for (const order of orders) {
      const { state } = after(order)
      const attempts = Object.entries(end.attempts).map(([attempt, { started_at, finished_at, outcome }]) => ({
        attempt: Number(attempt),
        started_at: known(started_at),
        finished_at: known(finished_at),
        outcome: outcome ?? undefined,
      }))
      expect(attemptsOf(state.marks), name).toEqual(
        attempts.map((one) => Object.fromEntries(Object.entries(one).filter(([, value]) => value !== undefined))),
      )
      expect(firstSuccess(state.marks), name).toBe(known(end.first_succeeded_at))
      expect(rolledBackAt(state.marks), name).toBe(known(end.rolled_back_at))
      expect(firstSuccess(state.marks) ? 1 : 0, name).toBe(end.counts_as_deployments)
    }
  }
})

test('a service that is removed as a whole names no artifact, and is heard of once its service is known', () => {
  const found = { service: 'shop', production: true, requirements: [], told: 0 }
  const removal = told({ ...notice('removed'), whole_service: true }, '2026-11-12T10:00:00Z')
  const known: Told = { rule: 'resolved', input: found, at: instant('2026-11-12T11:00:00Z') }
  for (const order of [
    [removal, known, removal],
    [removal, removal, known],
  ]) {
    const { state, made } = after(order)
    expect(made.filter(({ verb }) => verb === 'removed')).toEqual([
      fact.removed({
        deployment: 'd-1',
        service: 'shop',
        environment: 'production',
        production: true,
        at: instant('2026-11-12T10:00:00Z'),
      }),
    ])
    expect(deploymentPhase(state.marks)).toBe('removed')
  }
})

describe('what is observed', () => {
  const found = { service: 'shop', artifact: digest, production: true, requirements: ['REQ-1'], told: 1 }
  const resolved = fact.resolved({
    deployment: 'stream-1',
    service: 'shop',
    artifact: digest,
    production: true,
    requirements: ['REQ-1'],
    told: 1,
  })
  const at = { at: instant('2026-11-12T10:00:00Z') }
  const runs = { deployment: 'stream-1', service: 'shop', environment: 'production', production: true, artifact: digest }

  test('is recorded as it is, and once', () => {
    given(deployment)
      .tell('observed', notice('succeeded'), at)
      .then(fact.observed({ deployment: 'stream-1', ...notice('succeeded') }))
    const { made } = after([told(notice('succeeded'), '2026-11-12T10:00:00Z'), told(notice('succeeded'), '2026-11-12T10:00:00Z')])
    expect(made).toHaveLength(1)
  })

  test('runs from when it happened, whenever it is found out what it is', () => {
    const { state } = after([told(notice('succeeded'), '2026-11-12T10:00:00Z')])
    const { facts } = decide({ kind: 'tell', stream: deployment, id: 'stream-1', rule: 'resolved', input: found }, state, {
      at: instant('2026-11-20T00:00:00Z'),
      actor: 'x',
      messageId: 'm',
      streamId: 'stream-1',
    })
    expect(facts).toEqual([resolved, fact.succeeded({ ...runs, share: 1, at: at.at })])
  })

  test('a later telling of the artifact replaces the requirements, an older one does not', () => {
    const { state } = after([
      { rule: 'resolved', input: { ...found, told: 2, requirements: ['REQ-2'] }, at: at.at },
      { rule: 'resolved', input: found, at: at.at },
    ])
    expect(state.requirements).toEqual(['REQ-2'])
  })

  test('a share of the traffic, a roll-back and a second try are each told', () => {
    const { made } = after([
      { rule: 'resolved', input: found, at: at.at },
      told({ ...notice('succeeded'), share: 0.1 }, '2026-11-12T10:00:00Z'),
      told({ ...notice('succeeded'), share: 0.1 }, '2026-11-12T10:01:00Z'),
      told(notice('succeeded'), '2026-11-12T10:10:00Z'),
      told(notice('rolled_back'), '2026-11-12T10:20:00Z'),
      told(notice('succeeded'), '2026-11-12T10:30:00Z'),
    ])
    expect(made.filter(({ verb }) => verb === 'succeeded' || verb === 'rolled_back').map(({ verb, data }) => [verb, data])).toEqual([
      ['succeeded', expect.objectContaining({ at: instant('2026-11-12T10:00:00Z'), share: 0.1 })],
      ['succeeded', expect.objectContaining({ at: instant('2026-11-12T10:10:00Z'), share: 1 })],
      ['rolled_back', expect.objectContaining({ at: instant('2026-11-12T10:20:00Z') })],
      ['succeeded', expect.objectContaining({ at: instant('2026-11-12T10:30:00Z'), share: 1 })],
    ])
  })

  test('inactive ends that it runs, not that it succeeded (05)', () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [2, 0, 1, 2],
    ]) {
      const notices = [
        told(notice('started'), '2026-11-12T09:51:00Z'),
        told(notice('succeeded'), '2026-11-12T10:00:00Z'),
        told(notice('inactive'), '2026-11-12T12:00:05Z'),
      ]
      const { state } = after(order.map((at) => notices[at]!))
      expect(deploymentPhase(state.marks)).toBe('succeeded')
      expect(firstSuccess(state.marks)).toBe(instant('2026-11-12T10:00:00Z'))
      expect(rolledBackAt(state.marks)).toBeUndefined()
    }
  })

  test('a failed first try is no deployment of its own', () => {
    const { state } = after([told(notice('failed'), '2026-11-12T11:55:00Z'), told(notice('succeeded'), '2026-11-12T12:00:00Z')])
    expect(attemptsOf(state.marks)).toEqual([
      { attempt: 1, finished_at: instant('2026-11-12T11:55:00Z'), outcome: 'failed' },
      { attempt: 2, finished_at: instant('2026-11-12T12:00:00Z'), outcome: 'succeeded' },
    ])
  })

  test('a violation is recorded once', () => {
    const { state } = after([told(notice('succeeded'), '2026-11-12T10:00:00Z'), { rule: 'resolved', input: found, at: at.at }])
    const violated = { rule: 'violated' as const, input: { reasons: ['nobody approved it'], at: at.at }, at: at.at }
    expect(after([violated, violated], state).made).toEqual([
      fact.violated({
        deployment: 'd-1',
        service: 'shop',
        environment: 'production',
        artifact: digest,
        reasons: ['nobody approved it'],
        at: at.at,
      }),
    ])
    expect(after([{ ...violated, input: { reasons: [], at: at.at } }], state).made).toEqual([])
  })
})

const minute = fc.integer({ min: 0, max: 9 }).map((minutes) => `2026-11-12T10:0${minutes}:00Z`)
const anyNotice = fc.record({
  state: fc.constantFrom(...states),
  attempt: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  share: fc.constantFrom(0.1, 1),
  artifact: fc.option(fc.constant(digest), { nil: undefined }),
  at: minute,
})
const anyTold: fc.Arbitrary<Told> = fc.oneof(
  anyNotice.map(({ state, attempt, share, artifact, at }) =>
    told({ ...notice(state, attempt), share, ...(artifact ? { artifact } : {}) }, at),
  ),
  fc.record({ told: fc.integer({ min: 1, max: 3 }), at: minute }).map(
    ({ told, at }): Told => ({
      rule: 'resolved',
      at: instant(at),
      input: { service: 'shop', production: true, requirements: [`REQ-${told}`], told },
    }),
  ),
  fc.record({ told: fc.integer({ min: 1, max: 4 }), at: minute }).map(
    ({ told, at }): Told => ({
      rule: 'incidentLinked',
      at: instant(at),
      input: { incident: 'INC-1', decision: (['caused', 'not_caused', 'undecided'] as const)[told % 3], told },
    }),
  ),
)

test('any order and repetition of what was observed ends in the same state; nothing throws', () => {
  const orders = fc
    .array(anyTold, { maxLength: 8 })
    .chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 })),
    )
  fc.assert(
    fc.property(orders, ([all, order]) => {
      // What was announced on the way differs (an earlier success may come later); what is known does not.
      const { announced: _, ...one } = after(all).state
      const { announced: __, ...other } = after(order).state
      expect(other).toEqual(one)
      expect(attemptsOf(one.marks).length).toBeLessThanOrEqual(one.marks.length)
      expect(movesOf(one.marks).every(({ at }, index, moves) => index === 0 || at >= (moves[index - 1]?.at ?? ''))).toBe(true)
      expect(typeof deploymentPhase(one.marks)).toBe('string')
    }),
  )
})
