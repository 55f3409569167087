import { handover } from '@rondo/contracts/releases'
import { requirement } from '@rondo/contracts/requirements'
import { type AnyStream, decide, evolve } from '@rondo/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fixed, instant, later, notify, old, place, putShop, report, sha } from '../test/facts.ts'
import { World } from '../test/world.ts'
import { incident } from './incident.ts'
import { proof } from './proof.ts'
import { running } from './running.ts'
import { service } from './service-entry.ts'
import { signal } from './signal.ts'
import { source } from './source.ts'
import { traffic } from './traffic.ts'
import { unmapped } from './unmapped.ts'

const minute = (n: number) => instant(new Date(Date.UTC(2026, 0, 2, 0, n)).toISOString())
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  )
}
/** What a user can see of it: states and phases, without the words of the notes. */
const end = (world: World, streams: readonly AnyStream[]) =>
  streams.flatMap((stream) => world.all(stream).map(({ id, state }) => ({ id, phase: stream.phase?.(state), state: sorted(state) })))

/** One thing that is told from outside. */
type Telling = (world: World) => void

const word = fc.record({
  replica: fc.constantFrom('http://am-1', 'http://am-2'),
  fingerprint: fc.constantFrom('f1', 'f2'),
  start: fc.constantFrom(0, 30),
  at: fc.integer({ min: 1, max: 25 }),
  over: fc.boolean(),
  cut: fc.boolean(),
})
type Spoken = typeof word extends fc.Arbitrary<infer T> ? T : never

const say =
  ({ replica, fingerprint, start, at, over, cut }: Spoken): Telling =>
  (world) => {
    const time = minute(start + at)
    const status = over ? ('resolved' as const) : ('firing' as const)
    const alerts = [
      {
        status,
        labels: { alertname: 'High', service: 'shop', instance: fingerprint },
        annotations: {},
        startsAt: minute(start),
        endsAt: over ? minute(start + Math.max(1, at - 1)) : '0001-01-01T00:00:00Z',
        fingerprint,
      },
    ]
    notify(world, { externalURL: replica, groupKey: 'g', truncatedAlerts: cut ? 2 : 0, status, groupLabels: {}, alerts }, time)
  }

/** All tellings in an order that the seed makes, some of them twice, reacted to in an order that it makes too. */
async function lived(tellings: readonly Telling[], seed: number, settleBetween: boolean): Promise<World> {
  let state = seed
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % below
  }
  const world = await putShop(new World(seed === 0 ? () => 0 : random))
  const order =
    seed === 0
      ? [...tellings]
      : tellings
          .map((one) => [random(1e6), one] as const)
          .sort(([a], [b]) => a - b)
          .map(([, one]) => one)
  for (const one of seed === 0 ? order : [...order, ...order.filter(() => random(3) === 0)]) {
    one(world)
    if (settleBetween) await world.settle()
  }
  return world.settle()
}

test('words of two replicas about two alerts in two episodes, cut or not: any order, any repetition, one end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(word, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 1e6 }),
      fc.boolean(),
      async (words, seed, between) => {
        const tellings = words.map(say)
        // a note says what was seen when it was written; whether a signal is uncertain must not depend on it
        const seen = (world: World) =>
          world.all(signal).map(({ id, state }) => ({
            id,
            phase: signal.phase?.(state),
            episodes: sorted(state.episodes),
            groups: state.groups,
            about: state.about,
          }))
        const [straight, other] = [await lived(tellings, 0, true), await lived(tellings, seed, between)]
        expect(seen(other)).toEqual(seen(straight))
        expect(end(other, [source])).toEqual(end(straight, [source]))
      },
    ),
    { numRuns: 300 },
  )
})

test('owners, placements and what belongs to whom: any order, any repetition, one end', async () => {
  const tellings: readonly Telling[] = [
    (world) => world.deliver(handover.accepted, { release: 'REL-1', service: 'shop', team: 'team-ops', by: 'person:grace' }, minute(5)),
    (world) => world.deliver(handover.accepted, { release: 'REL-2', service: 'shop', team: 'team-sre', by: 'person:linus' }, minute(9)),
    (world) => place(world, { since: minute(1), artifact: old }, 1),
    (world) => place(world, { since: minute(3), artifact: fixed, share: 0.1 }, 2),
    (world) => place(world, { since: minute(3), artifact: fixed, share: 0.1, contains: ['REQ-1'] }, 5),
    (world) => place(world, { since: minute(4), artifact: fixed, share: 1, contains: ['REQ-1'] }, 3),
    (world) => place(world, { since: minute(8), artifact: later, contains: ['REQ-1'] }, 4),
  ]
  const straight = await lived(tellings, 0, true)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), fc.boolean(), async (seed, between) => {
      expect(end(await lived(tellings, seed, between), [service, running])).toEqual(end(straight, [service, running]))
    }),
    { numRuns: 50 },
  )
})

test('once the before-window is frozen, reports, placements and attributions end in the same verdict', async () => {
  const opening: readonly Telling[] = [
    (world) => place(world, { since: minute(0), artifact: old }),
    (world) => report(world, { from: minute(1), to: minute(20), artifact: old, events: 20, requests: 1000 }),
  ]
  const tellings: readonly Telling[] = [
    (world) => report(world, { from: minute(30), to: minute(40), artifact: fixed, requests: 100 }),
    (world) => report(world, { from: minute(40), to: minute(50), artifact: fixed, requests: 150 }),
    (world) => report(world, { from: minute(40), to: minute(50), artifact: old, requests: 150, events: 2 }),
    (world) => report(world, { from: minute(50), to: minute(60), artifact: later, requests: 200 }),
    (world) => report(world, { from: minute(60), to: minute(70), artifact: later, requests: 200 }),
    (world) => place(world, { since: minute(45), artifact: later, contains: ['REQ-1'] }, 3),
    (world) => place(world, { since: minute(75), artifact: old, left: ['REQ-1'], deployment: 'back' }, 4),
  ]
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), fc.boolean(), fc.boolean(), async (seed, between, again) => {
      const world = await lived(opening, 0, true)
      world.deliver(requirement.joined, { signal: world.all(signal)[0]!.id, problem: 'p', service: 'shop' }, minute(21), {
        streamId: 'REQ-1',
      })
      await place(
        world,
        { since: minute(30), artifact: fixed, contains: ['REQ-1'], entered: ['REQ-1'], changes_entered: [sha(1)] },
        2,
      ).settle()
      const happened = again
        ? [...tellings, (w: World) => report(w, { from: minute(50), to: minute(55), artifact: later, events: 1, requests: 5 })]
        : tellings
      let state = seed
      const next = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return state
      }
      const shuffled = happened.map((one) => [next(), one] as const).sort(([a], [b]) => a - b)
      for (const [n, one] of [...shuffled, ...shuffled.slice(0, 3)]) {
        one(world)
        if (between || n % 2 === 0) await world.settle()
      }
      await world.settle()
      expect(world.all(proof).map(({ state }) => proof.phase?.(state))).toEqual([again ? 'regressed' : 'verified'])
    }),
    { numRuns: 60 },
  )
})

test('two signals of one problem that race raise nothing twice here: one place, one proof', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
      const both = (['f1', 'f2'] as const).map((fingerprint) =>
        say({ replica: 'http://am-1', fingerprint, start: 0, at: 1, over: false, cut: false }),
      )
      const world = await lived(both, seed, false)
      const signals = world.all(signal)
      expect(new Set(signals.map(({ state }) => state.about.problem))).toEqual(new Set(['shop: High']))
      for (const { id } of signals)
        world.deliver(requirement.joined, { signal: id, problem: 'p', service: 'shop' }, minute(2), { streamId: 'REQ-1' })
      await place(world, { since: minute(40), artifact: fixed, contains: ['REQ-1'], entered: ['REQ-1'] }, 2).settle()
      expect(world.all(proof)).toHaveLength(1)
      expect(world.state(proof, world.all(proof)[0]!.id).opened.before.event_ids).toHaveLength(2)
    }),
    { numRuns: 50 },
  )
})

describe('no tell throws', () => {
  const text = fc.oneof(fc.constantFrom('a', 'b', '', 'x'.repeat(600)), fc.string())
  const time = fc.integer({ min: 0, max: 50 }).map(minute)
  const count = fc.nat(1000)
  const place = { service: text, environment: text, problem: text }
  const counts = fc.record({
    events: count,
    exposure: count,
    unit: fc.constantFrom('requests', 'hours'),
    from: time,
    to: time,
    event_ids: fc.array(text, { maxLength: 3 }),
  })
  const heard = {
    ...place,
    kind: fc.constantFrom('alert', 'errors'),
    fingerprint: text,
    title: text,
    source: text,
    episode: time,
    group_key: fc.option(text, { nil: undefined }),
  }
  const happened = fc.record({ event: text, at: time, artifact: text })
  const steps = fc.array(fc.record({ at: time, events: count, exposure: count }), { maxLength: 4 })
  const inputs: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    'service ownerAccepted': fc.record({ release: text, team: text, by: text }),
    'service mapped': fc.record({ kind: fc.constantFrom('alert', 'repository', 'artifact', 'deployment'), name: text, by: text }),
    'unmapped seen': fc.record({ kind: fc.constantFrom('alert', 'artifact'), name: text, reason: text }),
    'unmapped foundIn': fc.record({ service: text, by: text }),
    'source heard': fc.record({ kind: text }),
    'source cut': fc.record({ group_key: text, status: fc.constantFrom('firing', 'resolved'), listed: fc.array(text), left_out: count }),
    'signal fires': fc.record(heard),
    'signal ended': fc.record({ ...heard, ended_at: time }),
    'signal groupCut': fc.record({ source: text, at: time, left_out: count }),
    'signal linked': fc.record({ requirement: text }),
    'signal unlinked': fc.record({ requirement: text }),
    'signal marked': fc.record({ deployment: text, artifact: text, at: time }),
    'signal proven': fc.record({ proof: text, at: time }),
    'incident suspected': fc.record({
      suspects: fc.array(fc.record({ deployment: text, artifact: text, at: time, changes: fc.array(text), reason: text })),
    }),
    'traffic reported': fc.record({
      ...place,
      source: text,
      from: time,
      to: time,
      events: count,
      requests: count,
      event_ids: fc.array(text),
    }),
    'running placed': fc.record({
      service: text,
      environment: text,
      artifact: text,
      deployment: text,
      since: time,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      contains: fc.array(text),
      entered: fc.array(text),
      left: fc.array(text),
      changes_entered: fc.array(text),
      told: count,
    }),
    'proof open': fc.record({
      requirement: text,
      ...place,
      signals: fc.array(text),
      terms: fc.record({
        kind: fc.constantFrom('defect', 'rate'),
        target_ratio: fc.constantFrom(0.5, 1),
        deadline_days: fc.constantFrom(1, 14),
      }),
      artifact: text,
      clock_started_at: time,
      before: counts,
    }),
    'proof entered': fc.record({ artifact: text, at: time }),
    'proof left': fc.record({ at: time }),
    'proof fixNamed': fc.record({ sha: text }),
    'proof deadlineReached': fc.constant(undefined),
    'proof measured': fc.record({
      asked_at: time,
      steps,
      events: fc.array(happened, { maxLength: 3 }),
      artifacts: fc.array(text),
      noted: count,
    }),
  }
  const streams: readonly AnyStream[] = [service, unmapped, source, signal, incident, traffic, running, proof]

  test.each(streams.map((stream) => [stream.name, stream] as const))('%s, in any phase, whatever came before', (_, stream) => {
    const rules = Object.keys(stream.tells)
    expect(rules.filter((rule) => !inputs[`${stream.name} ${rule}`])).toEqual([])
    const message = fc
      .constantFrom(...rules)
      .chain((rule) => fc.record({ rule: fc.constant(rule), input: inputs[`${stream.name} ${rule}`]!, at: time }))
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
        let state: unknown = stream.initial
        for (const { rule, input, at } of messages) {
          const { facts } = decide({ kind: 'tell', stream, id: 's', rule, input }, state, {
            at,
            actor: 'service:x',
            messageId: 'm',
            streamId: 's',
          })
          for (const { verb, data } of facts) state = evolve(stream, state, verb, data, { id: 'x', at, actor: 'service:x' })
          stream.phase?.(state)
          stream.timers?.(state)
        }
      }),
      { numRuns: 100 },
    )
  })
})
