import { readFileSync } from 'node:fs'
import { requirement } from '@rondo/contracts/requirements'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { fixed, instant, later, notify, old, place, putShop, report, sha } from '../test/facts.ts'
import { clockOf, fixedArtifacts, type History, historyOf, instantOf, leftOut } from '../test/proof-histories.ts'
import { World } from '../test/world.ts'
import { proof } from './proof.ts'
import { signal } from './signal.ts'

const day = (n: number, hour = 0) => instant(new Date(Date.UTC(2026, 0, 1 + n, hour)).toISOString())
const link = (world: World, at: string, id = world.all(signal)[0]?.id ?? '') =>
  world.deliver(requirement.joined, { signal: id, problem: 'p', service: 'shop' }, at, { streamId: 'REQ-1' })
const proofs = (world: World) => world.all(proof)
const phases = (world: World) => proofs(world).map(({ state }) => proof.phase?.(state))
const judged = (world: World) => world.said('rondo.operations.proof.judged')

const webhookOf = (name: string, startsAt: string, endsAt = '0001-01-01T00:00:00Z') => ({
  externalURL: 'http://am',
  groupKey: name,
  truncatedAlerts: 0,
  status: 'firing' as const,
  groupLabels: {},
  alerts: [
    {
      status: endsAt.startsWith('0001') ? ('firing' as const) : ('resolved' as const),
      labels: { alertname: name, service: 'shop' },
      annotations: {},
      startsAt,
      endsAt,
      fingerprint: name,
    },
  ],
})

/** Twenty errors in 10,000 requests of the old artifact, over two days. */
const broken = (world: World) => {
  place(world, { since: day(0), artifact: old })
  for (let n = 0; n < 20; n++)
    report(world, { from: day(1, n), to: day(1, n + 1), artifact: old, events: 1, requests: 500, event_ids: [`e-${n}`] })
  return world
}
const enter = (world: World, at: string, artifact = fixed, version = 2) =>
  place(world, { since: at, artifact, contains: ['REQ-1'], entered: ['REQ-1'], changes_entered: [sha(1)] }, version)
const quiet = (world: World, from: string, to: string, requests: number, artifact = fixed) =>
  report(world, { from, to, artifact, requests })

async function started(pick?: (length: number) => number) {
  const world = await putShop(new World(pick))
  await broken(world).settle()
  await link(world, day(2)).settle()
  return world
}

describe('a proof', () => {
  test('opens when the fix enters where the signal was seen; the before-window is frozen; silence under traffic verifies', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    const { state } = proofs(world)[0]!
    expect(state.opened).toMatchObject({
      requirement: 'REQ-1',
      problem: 'shop: NullPointerException',
      clock_started_at: day(3),
      before: {
        events: 20,
        exposure: 10_000,
        unit: 'requests',
        from: day(-4),
        to: day(3),
        event_ids: Array.from({ length: 20 }, (_, n) => `e-${n}`),
      },
    })
    await quiet(world, day(3), day(3, 1), 3000).settle()
    expect(phases(world)).toEqual(['open'])
    await quiet(world, day(3, 1), day(3, 2), 400).settle()
    expect(phases(world)).toEqual(['verified'])
    expect(judged(world)).toMatchObject([
      { verdict: 'verified', after: { events: 0, exposure: 3400, from: day(3), to: day(3, 2) }, artifacts: [fixed], target_ratio: 0.5 },
    ])
    expect(judged(world)[0].bound).toBeLessThan(0.5)
    expect(judged(world)[0].query).toContain(fixed)
    expect(world.all(signal).map(({ state }) => signal.phase?.(state))).toEqual(['cleared'])
  })

  test('opens too when the requirement is linked after the fix runs, under the same id', async () => {
    const before = await started()
    await enter(before, day(3)).settle()
    const world = await putShop(new World())
    await broken(world).settle()
    await enter(world, day(3)).settle()
    expect(proofs(world)).toEqual([])
    await link(world, day(2)).settle()
    expect(proofs(world)).toEqual(proofs(before))
  })

  test('one event from a fixed artifact regresses at once; from the old one it is noted', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await report(world, { from: day(3), to: day(3, 1), artifact: old, events: 3, requests: 100 }).settle()
    expect(phases(world)).toEqual(['open'])
    await report(world, { from: day(3), to: day(3, 1), artifact: fixed, events: 1, requests: 100, event_ids: ['again'] }).settle()
    expect(judged(world)).toMatchObject([{ verdict: 'regressed', after: { events: 1, event_ids: ['again'] } }])
  })

  test('an event without an artifact is laid at the door of the only one that ran, or of none', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await report(world, { from: day(2, 23), to: day(3, 1), events: 1, requests: 10 }).settle()
    expect(phases(world)).toEqual(['open'])
    await report(world, { from: day(3), to: day(3, 1), events: 1, requests: 10 }).settle()
    expect(phases(world)).toEqual(['regressed'])
  })

  test('a person who attributes the event elsewhere takes the regression back; the counting goes on', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await report(world, { from: day(3), to: day(3, 1), artifact: fixed, events: 1, requests: 100, event_ids: ['again'] }).settle()
    const { id } = proofs(world)[0]!
    await world.ask({ stream: proof, id, rule: 'attribute', input: { event: 'again', reason: 'the test account' } }, day(4))
    expect(phases(world)).toEqual(['open'])
    await quiet(world, day(4), day(5), 5000).settle()
    expect(judged(world).at(-1)).toMatchObject({ verdict: 'verified', after: { events: 0, exposure: 5100 } })
  })

  test('is suspended when the fix leaves; exposure adds up over pauses', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await quiet(world, day(3), day(4), 2000).settle()
    await place(world, { since: day(4), artifact: old, left: ['REQ-1'], deployment: 'back' }, 3).settle()
    expect(phases(world)).toEqual(['suspended'])
    await report(world, { from: day(4), to: day(5), artifact: old, requests: 9000 }).settle()
    expect(phases(world)).toEqual(['suspended'])
    await enter(world, day(5), later, 4).settle()
    expect(phases(world)).toEqual(['open'])
    await quiet(world, day(5), day(6), 1500, later).settle()
    expect(judged(world)).toMatchObject([{ verdict: 'verified', after: { exposure: 3500 }, artifacts: [fixed, later] }])
    await place(world, { since: day(7), artifact: old, left: ['REQ-1'], deployment: 'back-again' }, 5).settle()
    expect(phases(world)).toEqual(['verified'])
  })

  test('is inconclusive at the deadline, by its timer; an extension keeps the exposure', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await quiet(world, day(3), day(4), 2000).settle()
    await world.pass(day(16))
    expect(phases(world)).toEqual(['open'])
    await world.pass(day(17))
    expect(judged(world)).toMatchObject([{ verdict: 'inconclusive', reason: expect.stringContaining('deadline') }])
    const { id } = proofs(world)[0]!
    await world.ask({ stream: proof, id, rule: 'extend', input: { deadline_at: day(40), reason: 'holidays' } }, day(18))
    expect(phases(world)).toEqual(['open'])
    await quiet(world, day(18), day(19), 1500).settle()
    expect(judged(world).at(-1)).toMatchObject({ verdict: 'verified', after: { exposure: 3500 } })
  })

  test('what was served after the deadline does not save it, whichever is looked at first', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await quiet(world, day(20), day(21), 100_000).settle()
    expect(phases(world)).toEqual(['inconclusive'])
  })

  test('a recurrence after "verified" is told once, with the earliest event; an event from before it that comes late is a regression', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    await quiet(world, day(3), day(4), 5000).settle()
    await report(world, { from: day(6), to: day(6, 1), artifact: later, events: 1, requests: 10 }).settle()
    expect(phases(world)).toEqual(['verified'])
    await place(world, { since: day(5), artifact: later, contains: ['REQ-1'] }, 3).settle()
    await report(world, { from: day(7), to: day(7, 1), artifact: later, events: 1, requests: 10 }).settle()
    expect(phases(world)).toEqual(['recurred'])
    expect(world.said('rondo.operations.proof.recurred')).toMatchObject([
      { requirement: 'REQ-1', signal: expect.stringMatching(/^errors:/), artifact: later, at: day(6, 1) },
    ])
    await report(world, { from: day(8), to: day(8, 1), artifact: later, events: 1, requests: 10 }).settle()
    expect(world.said('rondo.operations.proof.recurred')).toHaveLength(1)

    const rung = await started()
    await enter(rung, day(3)).settle()
    await quiet(rung, day(3), day(4), 5000).settle()
    // Of the same problem, and unknown when the proof was opened
    await notify(rung, webhookOf('NullPointerException', day(6)), day(6)).settle()
    expect(rung.said('rondo.operations.proof.recurred')).toMatchObject([{ signal: 'alert:NullPointerException', at: day(6) }])

    const other = await started()
    await enter(other, day(3)).settle()
    await quiet(other, day(3), day(4), 5000).settle()
    await report(other, { from: day(3), to: day(3, 1), artifact: fixed, events: 1, requests: 10 }).settle()
    expect(judged(other).map(({ verdict }) => verdict)).toEqual(['verified', 'regressed'])
  })

  test('a second fix after a regression is a new attempt with a clock of its own', async () => {
    const world = await started()
    world.deliver(requirement.named, { sha: sha(1), repository: 'example/shop', at: day(2) }, day(2), { streamId: 'REQ-1' })
    await enter(world, day(3)).settle()
    await report(world, { from: day(3), to: day(3, 1), artifact: fixed, events: 1, requests: 10 }).settle()
    await place(
      world,
      { since: day(4), artifact: later, contains: ['REQ-1'], changes_entered: [sha(7)], deployment: 'unrelated' },
      3,
    ).settle()
    expect(phases(world)).toEqual(['regressed'])
    const best = `sha256:${'d'.repeat(64)}`
    await place(
      world,
      { since: day(5), artifact: best, contains: ['REQ-1'], changes_entered: [sha(2)], deployment: 'second-fix' },
      4,
    ).settle()
    await world.deliver(requirement.named, { sha: sha(2), repository: 'example/shop', at: day(4) }, day(4), { streamId: 'REQ-1' }).settle()
    expect(phases(world).toSorted()).toEqual(['open', 'regressed'])
    await quiet(world, day(5), day(6), 20_000, best).settle()
    expect(judged(world).at(-1)).toMatchObject({ verdict: 'verified', artifacts: [best] })
  })

  test('refuses what makes no sense', async () => {
    const world = await started()
    await enter(world, day(3)).settle()
    const { id } = proofs(world)[0]!
    const extend = (deadline_at: string) => world.ask({ stream: proof, id, rule: 'extend', input: { deadline_at, reason: 'r' } }, day(4))
    await expect(extend(day(10))).rejects.toMatchObject({ code: 'invalid' })
    await expect(
      world.ask({ stream: proof, id: 'PRF-none', rule: 'extend', input: { deadline_at: day(40), reason: 'r' } }, day(4)),
    ).rejects.toMatchObject({ code: 'not_found' })
    await quiet(world, day(3), day(4), 5000).settle()
    await expect(extend(day(40))).rejects.toMatchObject({ code: 'wrong_phase' })
  })
})

describe('alerts without request counts', () => {
  const alarm = (world: World, at: string, starts: string, ends?: string, name = 'QueueStuck') =>
    notify(world, webhookOf(name, starts, ends), at)
  /** Something that always fires is heard every four hours: the sender lives. */
  const beat = (world: World, from: number, to: number) => {
    for (let hour = from * 24; hour <= to * 24; hour += 4) alarm(world, day(0, hour), day(0), undefined, 'Watchdog')
    return world
  }
  async function ringing(empty = new World()) {
    const world = await putShop(empty)
    place(world, { since: day(0), artifact: old })
    for (let n = 1; n < 11; n++) alarm(alarm(world, day(n), day(n)), day(n, 1), day(n), day(n, 1))
    await beat(world, 0, 12).settle()
    await link(world, day(11), 'alert:QueueStuck').settle()
    await enter(world, day(12)).settle()
    return world
  }

  test('are counted as episodes against the hours in which their source lived', async () => {
    const world = await ringing()
    expect(proofs(world).map(({ state }) => state.opened.before)).toMatchObject([
      { events: 10, exposure: 264, unit: 'hours', from: day(1) },
    ])
    await beat(world, 12, 16).settle()
    expect(phases(world)).toEqual(['open'])
    await beat(world, 16, 25).settle()
    expect(judged(world)).toMatchObject([{ verdict: 'verified', after: { events: 0, unit: 'hours' } }])
  })

  test('are no proof while nothing runs, whatever ran there before and whichever was told first', async () => {
    const removed = (world: World) => place(world, { since: day(13), artifact: later, share: 0, left: ['REQ-1'], deployment: 'removed' }, 4)
    // what ran before the removed artifact has the fix too: it does not come back
    const begun = async (world: World) => enter(await ringing(world), day(12, 12), later, 3)
    const [first, last] = [await begun(new World()), new World()]
    await removed(await first.settle()).settle()
    await (await begun(removed(last))).settle()
    for (const world of [first, last]) {
      expect(phases(world)).toEqual(['suspended'])
      await beat(world, 12, 25).settle()
      expect(judged(world)).toEqual([])
      await world.pass(day(27))
      expect(judged(world)).toMatchObject([{ verdict: 'inconclusive', after: { events: 0, exposure: 24 } }])
    }
  })

  test('are no proof while nobody hears the source: inconclusive at the deadline', async () => {
    const world = await ringing()
    await world.pass(day(27))
    expect(judged(world)).toMatchObject([{ verdict: 'inconclusive', after: { exposure: 0 } }])
  })

  test('that ring again from the fixed artifact regress', async () => {
    const world = await ringing()
    await alarm(world, day(13), day(13)).settle()
    expect(judged(world)).toMatchObject([{ verdict: 'regressed', after: { event_ids: [`alert:QueueStuck@${day(13)}`] } }])
  })
})

describe('proof-histories.json through the stream itself', () => {
  needs({ also: sharedMissing('vectors') })

  const cases = sharedMissing('vectors')
    ? []
    : (JSON.parse(readFileSync(shared('vectors', 'proof-histories.json'), 'utf8')) as { cases: readonly History[] }).cases
  const defects = cases.filter(({ given }) => given.signal.kind === 'count' && !given.source_unreachable && !(given.signal.kind in leftOut))

  test.each(defects.map((one) => [one.name, one] as const))(
    '%s: told at each time asked, the verdicts come once and in order',
    (_, history) => {
      const { given, expect: right } = history
      const clock = clockOf(given)
      let state = proof.initial
      const made: string[] = []
      const take = (facts: readonly { verb: string; data: unknown }[], at: string) => {
        for (const { verb, data } of facts) {
          made.push(verb === 'judged' ? (data as { verdict: string }).verdict : verb)
          const step = proof.evolve[verb as 'due'] as (
            state: typeof proof.initial,
            data: unknown,
            occurrence: object,
          ) => typeof proof.initial
          state = step(state, data, { id: 'x', at, actor: 'service:test' })
        }
      }
      const context = (at: string) => ({ at, actor: 'service:test', messageId: 'm', streamId: 'PRF-1' })
      const { events, exposure, from, to } = given.baseline
      const before = { events, exposure, unit: 'requests' as const, from: instantOf(from), to: instantOf(to), event_ids: [] }
      const deadline_days = clock ? (Date.parse(given.deadline_at) - Date.parse(clock)) / 86_400_000 : 14
      const terms = { kind: 'defect' as const, target_ratio: given.target_ratio, deadline_days }
      if (clock) {
        const opening = {
          requirement: 'REQ-1',
          service: 'shop',
          environment: 'production',
          problem: 'p',
          signals: ['s'],
          terms,
          artifact: fixed,
          clock_started_at: clock,
          before,
        }
        take(proof.tells.open(state, opening, context(clock)), clock)
      }
      const expected: string[] = clock ? ['opened'] : []
      for (const { at, verdict } of right.answers) {
        const { question } = historyOf(history, at)
        const artifacts = [...fixedArtifacts(given)]
        const seen = question.steps.flatMap(({ at, events }) =>
          Array.from({ length: events }, (_, n) => ({ event: `${at}-${n}`, at, artifact: fixed })),
        )
        const evidence = { asked_at: question.asked_at, steps: question.steps, events: seen, artifacts, noted: 0 }
        take(proof.tells.measured(state, evidence, context(question.asked_at)), question.asked_at)
        const last = expected.at(-1)
        // after "verified" a recurrence is told as such; what is decided is not told again
        const next = verdict === 'regressed' && (last === 'verified' || last === 'recurred') ? 'recurred' : verdict
        if (next && next !== last) expected.push(next)
      }
      expect(made).toEqual(expected)
    },
  )
})
