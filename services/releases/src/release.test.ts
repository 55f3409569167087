import { release as fact } from '@rondo/contracts/releases'
import { decide, evolve, type Fact, plus } from '@rondo/kernel'
import { at, given } from '@rondo/kernel/given'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Release, release } from './release.ts'
import { contentsOf, type GateSeen, type Part } from './release-contents.ts'
import { currentApproval, voidReason } from './release-rules.ts'

const digest = `sha256:${'a'.repeat(64)}`
const revision = 'a'.repeat(40)
const ada = 'person:ada@example.org'
const edsger = { actor: 'person:edsger@example.org' }
const production = { environment: 'production', production: true, rank: 0, deployers: [] }

const part: Part = {
  artifact: digest,
  told: 1,
  service: 'shop',
  revision,
  changes: [revision],
  more: 0,
  requirements: ['REQ-1'],
  contributors: [
    { actor: ada, role: 'author' },
    { actor: ada, role: 'pusher' },
  ],
  missing: [],
}
const gate: GateSeen = {
  artifact: digest,
  told: 1,
  verdict: 'pass',
  release_allowed: true,
  policy_hash: 'p1',
  inputs_hash: 'i1',
  reasons: [],
}
const created = fact.created({ service: 'shop', artifacts: [digest], by: ada })
const contents = (seen: Part = part, policy_hash = '') =>
  fact.contents_set({
    ...contentsOf({
      artifacts: [digest],
      parts: { [digest]: seen },
      gates: {},
      ...(policy_hash ? { policy: { policy_hash, told: 1 } } : {}),
    }),
  })
const hash = (seen: Part = part, policy_hash = '') => contents(seen, policy_hash).data.content_hash
const known = [created, fact.part_seen(part), contents()] as const
const approved = fact.approved({ by: edsger.actor, content_hash: hash() })

describe('approval', () => {
  test('somebody who did not contribute approves exactly these contents', () => {
    given(release, ...known)
      .ask('approve', { content_hash: hash() }, edsger)
      .then(approved)
    given(release, ...known, approved)
      .ask('approve', { content_hash: hash() }, edsger)
      .nothing()
  })

  test('a contributor is refused with the roles, and that is a fact', () => {
    const reason = `${ada} contributed as author, pusher`
    given(release, ...known)
      .ask('approve', { content_hash: hash() }, { actor: ada })
      .refused('four_eyes', [fact.denied({ what: 'approve', by: ada, code: 'four_eyes', reasons: [reason] })])
  })

  test('only a person approves', () => {
    given(release, ...known)
      .ask('approve', { content_hash: hash() }, { actor: 'service:ci' })
      .refused('four_eyes', [
        fact.denied({ what: 'approve', by: 'service:ci', code: 'four_eyes', reasons: ['only a person approves, service:ci is none'] }),
      ])
  })

  test('all that is wrong is said at once', () => {
    const unknown = { ...part, contributors: [...part.contributors, { actor: 'unknown:deleted-account', role: 'co_author' as const }] }
    const { facts, refused } = decide(
      { kind: 'ask', stream: release, id: 'REL-1', rule: 'approve', input: { content_hash: 'sha256:old' } },
      folded([created, fact.part_seen(unknown), contents(unknown)]),
      context(ada),
    )
    expect(refused?.details.missing).toEqual([
      expect.stringContaining('contributed as'),
      expect.stringContaining('its contents are'),
      expect.stringContaining('unknown (deleted account)'),
    ])
    expect(facts).toHaveLength(1)
  })

  test('unknown contents are not "nobody contributed"', () => {
    const missing = { ...part, contributors: [], changes: [], missing: [revision] }
    for (const history of [
      [created, contents()],
      [created, fact.part_seen(missing), contents(missing)],
    ]) {
      const { refused } = decide(
        { kind: 'ask', stream: release, id: 'REL-1', rule: 'approve', input: { content_hash: folded(history).content_hash } },
        folded(history),
        context(edsger.actor),
      )
      expect(refused?.code).toBe('unknown_identity')
    }
  })

  test('an unmapped contributor blocks until mapped or waived; the waiver holds for these contents', () => {
    const unmapped = { ...part, contributors: [{ actor: 'unmapped:1', role: 'author' as const }] }
    const history = [created, fact.part_seen(unmapped), contents(unmapped)] as const
    const ask = (...more: ReturnType<typeof fact.persons_mapped>[] | ReturnType<typeof fact.contributor_waived>[]) =>
      decide(
        { kind: 'ask', stream: release, id: 'REL-1', rule: 'approve', input: { content_hash: hash() } },
        folded([...history, ...more]),
        context(edsger.actor),
      ).refused?.code
    expect(ask()).toBe('unknown_identity')
    expect(ask(fact.persons_mapped({ persons: [{ identity: 'unmapped:1', person: ada }] }))).toBeUndefined()
    expect(ask(fact.persons_mapped({ persons: [{ identity: 'unmapped:1', person: edsger.actor }] }))).toBe('four_eyes')
    expect(
      ask(fact.contributor_waived({ identity: 'unmapped:1', by: edsger.actor, reason: 'a bot', content_hash: hash() })),
    ).toBeUndefined()
    expect(ask(fact.contributor_waived({ identity: 'unmapped:1', by: edsger.actor, reason: 'a bot', content_hash: 'sha256:other' }))).toBe(
      'unknown_identity',
    )
    given(release, ...history)
      .ask('waiveContributor', { identity: 'unmapped:2', reason: 'x' }, edsger)
      .refused('not_found')
    given(release, ...known)
      .ask('waiveContributor', { identity: ada, reason: 'x' }, edsger)
      .refused('not_found')
  })

  test('what does not exist, was refused or withdrawn cannot be approved', () => {
    given(release).ask('approve', { content_hash: 'x' }, edsger).refused('not_found')
    const { refused } = decide(
      { kind: 'ask', stream: release, id: 'REL-1', rule: 'approve', input: { content_hash: hash() } },
      folded([...known, fact.refused({ by: edsger.actor, reason: 'no' })]),
      context(edsger.actor),
    )
    expect(refused?.message).toBe('it was refused: no')
  })
})

describe('an approval ends', () => {
  const voided = (reason: string) => fact.voided({ content_hash: hash(), reason })

  test('when the requirements in it change', () => {
    const more = { ...part, told: 2, requirements: ['REQ-1', 'REQ-2'] }
    given(release, ...known, approved)
      .tell('partSeen', more)
      .then(fact.part_seen(more), contents(more), voided('the requirements in it changed from [REQ-1] to [REQ-1, REQ-2]'))
  })

  test('when the policy changes, but not when it becomes known: an approval may precede the verdict', () => {
    given(release, ...known, approved)
      .tell('gateSeen', gate)
      .then(fact.gate_seen(gate), contents(part, 'p1'))
    const next = { policy_hash: 'p2', told: 2 }
    const before = [
      created,
      fact.policy_seen({ policy_hash: 'p1', told: 1 }),
      fact.part_seen(part),
      contents(part, 'p1'),
      fact.approved({ by: edsger.actor, content_hash: hash(part, 'p1') }),
    ] as const
    given(release, ...before)
      .tell('policySeen', next)
      .then(
        fact.policy_seen(next),
        contents(part, 'p2'),
        fact.voided({ content_hash: hash(part, 'p1'), reason: 'the policy changed from p1 to p2' }),
      )
  })

  test('when the verdict turns worse, whatever it was at the approval', () => {
    const worse = { ...gate, told: 2, verdict: 'warn' as const }
    given(release, ...known, fact.gate_seen(gate), approved)
      .tell('gateSeen', worse)
      .then(fact.gate_seen(worse), voided(`the gate of ${digest} turned worse: warn`))
    given(release, ...known, approved, fact.gate_seen(gate), contents(part, 'p1'))
      .tell('gateSeen', worse)
      .then(fact.gate_seen(worse), voided(`the gate of ${digest} turned worse: warn`))
    given(release, ...known, fact.gate_seen(gate), contents(part, 'p1'), approved)
      .tell('gateSeen', { ...gate, told: 2 })
      .then(fact.gate_seen({ ...gate, told: 2 }))
    given(release, ...known, fact.gate_seen({ ...gate, verdict: 'warn' }), contents(part, 'p1'), approved)
      .tell('gateSeen', { ...gate, told: 2 })
      .then(fact.gate_seen({ ...gate, told: 2 }))
  })

  test('when the approver turns out to have contributed', () => {
    const waived = { ...part, contributors: [{ actor: 'unmapped:1', role: 'author' as const }] }
    const history = [
      created,
      fact.part_seen(waived),
      contents(waived),
      fact.contributor_waived({ identity: 'unmapped:1', by: edsger.actor, reason: 'x', content_hash: hash() }),
      approved,
    ] as const
    const persons = [{ identity: 'unmapped:1', person: edsger.actor }]
    given(release, ...history)
      .tell('personsMapped', { persons })
      .then(fact.persons_mapped({ persons }), voided(`${edsger.actor} contributed as author`))
  })

  test('and can be given again', () => {
    given(release, ...known, approved, voided('x')).phase('void')
    given(release, ...known, approved, voided('x'))
      .ask('approve', { content_hash: hash() }, edsger)
      .then(approved)
    given(release, ...known, approved, voided('x'), approved).phase('approved')
  })
})

describe('deploying', () => {
  const reasonsOf = (history: readonly Fact[], place: object, when = '2026-02-01T00:00:00.000000Z') => {
    const { facts, refused } = decide({ kind: 'ask', stream: release, id: 'REL-1', rule: 'deploy', input: place }, folded(history), {
      ...context('person:ops'),
      at: when,
    })
    expect(facts.map(({ verb }) => verb)).toEqual([refused ? 'denied' : 'deployment_allowed'])
    return refused?.details.missing ?? []
  }

  test('needs approval and gate, and says all that is missing at once', () => {
    const frozen = { ...production, frozen_from: '2026-01-31T00:00:00.000000Z', deployers: ['person:deployer'] }
    expect(reasonsOf(known, frozen)).toEqual([
      'not approved: it is candidate',
      `there is no gate verdict for ${digest}`,
      'production is frozen from 2026-01-31T00:00:00.000000Z until further notice',
      'person:ops may not deploy to production',
    ])
    expect(reasonsOf([...known, approved, fact.gate_seen(gate)], production)).toEqual([])
  })

  test('looks at verdict and waivers again', () => {
    const denied = { ...gate, verdict: 'fail' as const, release_allowed: false, reasons: ['coverage 20 < 80'] }
    expect(reasonsOf([...known, approved, fact.gate_seen(denied)], production)).toEqual([
      `the gate does not allow ${digest}: fail; coverage 20 < 80`,
    ])
    const waived = { ...gate, verdict: 'fail' as const, allowed_until: '2026-02-01T00:00:00.000000Z' }
    expect(reasonsOf([...known, approved, fact.gate_seen(waived)], production)).toEqual([
      `the waiver that the gate of ${digest} rests on ended at 2026-02-01T00:00:00.000000Z`,
    ])
    expect(reasonsOf([...known, approved, fact.gate_seen(waived)], production, '2026-01-31T23:59:59.999999Z')).toEqual([])
  })

  test('what changed since approval is named', () => {
    expect(
      reasonsOf(
        [...known, approved, fact.gate_seen(gate), fact.voided({ content_hash: hash(), reason: 'the policy changed' })],
        production,
      ),
    ).toEqual(['changed since approval: the policy changed'])
  })

  test('elsewhere than production needs neither, but freeze and permission hold', () => {
    const staging = { environment: 'staging', production: false, rank: 0, deployers: [] }
    expect(reasonsOf(known, staging)).toEqual([])
    expect(
      reasonsOf(known, { ...staging, frozen_from: '2026-01-31T00:00:00.000000Z', frozen_until: '2026-02-01T00:00:00.000000Z' }),
    ).toEqual([])
    expect(reasonsOf([...known, fact.withdrawn({ by: ada, reason: '' })], staging)).toEqual(['it is withdrawn'])
  })
})

test('a candidate arises once', () => {
  given(release)
    .tell('published', { service: 'shop', artifacts: [digest] }, { actor: 'service:releases' })
    .then(
      fact.created({ service: 'shop', artifacts: [digest], by: 'service:releases' }),
      contents({ ...part, changes: [], contributors: [], requirements: [] }),
    )
  given(release, ...known)
    .tell('published', { service: 'shop', artifacts: [digest] })
    .nothing()
  given(release, ...known)
    .ask('create', { service: 'shop', artifacts: [digest], parts: [], gates: [], persons: [] })
    .nothing()
  given(release, ...known)
    .ask('create', { service: 'other', artifacts: [digest], parts: [], gates: [], persons: [] })
    .refused('id_reused')
})

test('requested, refused and withdrawn', () => {
  given(release, at('2026-01-01T00:00:00.000000Z', created))
    .ask('requestApproval')
    .then(fact.approval_requested({ by: 'person:somebody', content_hash: '' }))
  given(release, ...known, fact.approval_requested({ by: ada, content_hash: hash() })).phase('approval_requested')
  given(release, ...known, approved)
    .ask('refuse', { reason: 'too late' }, edsger)
    .then(fact.refused({ reason: 'too late', by: edsger.actor }))
  given(release, ...known, approved)
    .ask('withdraw', { reason: '' })
    .then(fact.withdrawn({ reason: '', by: 'person:somebody' }))
  given(release, ...known, approved, fact.withdrawn({ reason: '', by: ada }))
    .ask('requestApproval')
    .refused('wrong_phase')
})

/** Facts of one stream of `builds`, each with its number there. */
const parts = fc.array(fc.record({ requirements: fc.subarray(['REQ-1', 'REQ-2']), missing: fc.subarray(['x']) }), {
  minLength: 1,
  maxLength: 4,
})
const verdicts = fc.array(fc.constantFrom('pass', 'warn', 'inconclusive', 'fail'), { maxLength: 4 })

test('what was observed, in any order and repeated, ends in the same contents, verdicts and validity of an approval', () => {
  const tells = fc
    .tuple(parts, verdicts, fc.boolean())
    .map(([parts, verdicts, mapped]) => [
      ...parts.map((one, at) => ({ rule: 'partSeen', input: { ...part, ...one, told: at + 2 } })),
      ...verdicts.map((verdict, at) => ({ rule: 'gateSeen', input: { ...gate, verdict, told: at + 1 } })),
      ...(mapped ? [{ rule: 'personsMapped', input: { persons: [{ identity: 'unmapped:1', person: ada }] } }] : []),
    ])
  const orders = tells.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 })),
  )
  const end = (start: Release, order: readonly { rule: string; input: unknown }[]) => {
    const state = order.reduce((state, { rule, input }) => {
      const { facts, refused } = decide({ kind: 'tell', stream: release, id: 'REL-1', rule, input }, state, context('service:releases'))
      expect(refused).toBeUndefined()
      return facts.reduce(apply, state)
    }, start)
    return {
      contents: contentsOf(state),
      gates: state.gates,
      hash: state.content_hash,
      step: state.step,
      stands: currentApproval(state) !== undefined,
      pending: voidReason(state),
    }
  }
  fc.assert(
    fc.property(orders, fc.boolean(), ([all, order], approvedBefore) => {
      const start = folded(approvedBefore ? [...known, approved] : [...known])
      expect(end(start, order)).toEqual(end(start, all))
    }),
  )
})

const context = (actor: string) => ({ at: '2026-02-01T00:00:00.000000Z', actor, messageId: 'm', streamId: 'REL-1' })
function apply(state: Release, made: Fact): Release {
  return evolve(release, state, made.verb, made.data, { id: 'x', at: plus('2026-01-01T00:00:00.000000Z', 0), actor: 'person:x' })
}
function folded(history: readonly Fact[]): Release {
  return history.reduce(apply, release.initial)
}
