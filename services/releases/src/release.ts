import { release as fact } from '@rondo/contracts/releases'
import { type Context, type FactOf, type Instant, refuse, stream } from '@rondo/kernel'
import type { Environment } from './environment.ts'
import { isPerson } from './four-eyes.ts'
import { contentsOf, type GateSeen, newer, type Part, type Told, withVerdict } from './release-contents.ts'
import { approvalObstacles, currentApproval, deployObstacles, eyesObstacles, type Obstacle, voidReason } from './release-rules.ts'

export interface Approval {
  readonly by: string
  readonly at: Instant
  readonly content_hash: string
  /** What was approved: later tellings are held against it. By artifact: the newest telling and verdict known then. */
  readonly basis: {
    readonly requirements: readonly string[]
    readonly policy_hash: string
    readonly parts: Readonly<Record<string, number>>
    readonly gates: Readonly<Record<string, number>>
  }
  readonly voided?: { readonly at: Instant; readonly reason: string }
}

type Step = 'unseen' | 'candidate' | 'approval_requested' | 'approved' | 'refused' | 'void' | 'withdrawn'

export interface Release extends Told {
  readonly service: string
  readonly by: string
  readonly notes: string
  /** The last thing that was said of it. Contents and verdicts come in any order; these are said one after the other. */
  readonly step: Step
  readonly reason: string
  /** Empty: not computed yet. */
  readonly content_hash: string
  /** Identity → person, as mapped since. */
  readonly persons: Readonly<Record<string, string>>
  readonly waived: readonly { readonly identity: string; readonly by: string; readonly reason: string; readonly content_hash: string }[]
  readonly approvals: readonly Approval[]
  readonly denials: readonly {
    readonly what: string
    readonly by: string
    readonly at: Instant
    readonly code: string
    readonly reasons: readonly string[]
  }[]
  readonly permissions: readonly {
    readonly environment: string
    readonly production: boolean
    readonly by: string
    readonly at: Instant
    readonly deployment: string
  }[]
}

type Made = FactOf<typeof fact>
export interface Candidate {
  readonly service: string
  readonly artifacts: readonly string[]
}
/** What is known of the artifacts when a person puts a release together. */
export interface Creation extends Candidate {
  readonly notes?: string | undefined
  readonly parts: readonly Part[]
  readonly gates: readonly GateSeen[]
  readonly policy?: { readonly policy_hash: string; readonly told: number } | undefined
  readonly persons: readonly { readonly identity: string; readonly person: string }[]
}

const kept = 20
const unseen: Release = {
  service: '',
  by: '',
  notes: '',
  step: 'unseen',
  reason: '',
  content_hash: '',
  artifacts: [],
  parts: {},
  gates: {},
  persons: {},
  waived: [],
  approvals: [],
  denials: [],
  permissions: [],
}

const open = ({ step, permissions }: Release) =>
  step !== 'unseen' && step !== 'withdrawn' && !permissions.some(({ production }) => production)
const unmappedOf = (release: Release) =>
  contentsOf(release)
    .contributors.map(({ actor }) => actor)
    .filter((actor) => actor.startsWith('unmapped:') && !release.persons[actor])

/** The approval that stands ends. */
function ended(release: Release, step: Step, reason: string, at: Instant): Release {
  const current = currentApproval(release)
  const approvals = release.approvals.map((one) => (one === current ? { ...one, voided: { at, reason } } : one))
  return { ...release, step, reason, approvals }
}

const evolve = {
  part_seen: (release: Release, seen: Part): Release => ({
    ...release,
    parts: { ...release.parts, [seen.artifact]: newer(release.parts[seen.artifact], seen) },
  }),
  gate_seen: (release: Release, seen: GateSeen): Release => ({
    ...release,
    gates: { ...release.gates, [seen.artifact]: withVerdict(release.gates[seen.artifact] ?? [], seen) },
  }),
  policy_seen: (release: Release, seen: { policy_hash: string; told: number }): Release => ({
    ...release,
    policy: newer(release.policy, seen),
  }),
  persons_mapped: (release: Release, { persons }: { persons: readonly { identity: string; person: string }[] }): Release => ({
    ...release,
    persons: { ...release.persons, ...Object.fromEntries(persons.map(({ identity, person }) => [identity, person])) },
  }),
}

/** What follows from something seen: other contents, the end of an approval. */
function following(before: Release, after: Release, facts: readonly Made[], late?: string): readonly Made[] {
  if (after.artifacts.length === 0) return facts
  const contents = contentsOf(after)
  const approval = currentApproval(after)
  const reason = voidReason(after) ?? late
  return [
    ...facts,
    ...(before.artifacts.length === 0 || JSON.stringify(contents) !== JSON.stringify(contentsOf(before))
      ? [fact.contents_set(contents)]
      : []),
    ...(approval && reason ? [fact.voided({ content_hash: approval.content_hash, reason: reason.slice(0, 500) })] : []),
  ]
}

/** Contents told after the approval and overtaken by newer ones: they void it all the same, so that the order of arrival does not matter. */
function overtaken(release: Release, seen: Part): string | undefined {
  const approval = currentApproval(release)
  if (!approval || seen.told <= (approval.basis.parts[seen.artifact] ?? 0)) return undefined
  return voidReason({ ...release, parts: { ...release.parts, [seen.artifact]: seen } })
}

function denied(
  what: 'approve' | 'waive' | 'deploy',
  obstacles: readonly Obstacle[],
  release: Release,
  { actor }: Context,
  environment?: string,
): never {
  const [first] = obstacles
  const reasons = obstacles.map(({ reason }) => reason)
  const record = fact.denied({ what, by: actor, code: first?.code ?? 'wrong_phase', reasons, ...(environment ? { environment } : {}) })
  return refuse(first?.code ?? 'wrong_phase', reasons.join('; '), { phase: release.step, missing: reasons }, [record])
}

function exists(release: Release) {
  if (release.step === 'unseen') refuse('not_found', 'there is no such release')
}

const over = ({ step, reason }: Release): readonly Obstacle[] =>
  step === 'withdrawn' || step === 'refused' ? [{ code: 'wrong_phase', reason: `it was ${step}${reason ? `: ${reason}` : ''}` }] : []

const hashObstacle = (release: Release, content_hash: string): readonly Obstacle[] =>
  content_hash === release.content_hash
    ? []
    : [{ code: 'wrong_phase', reason: `its contents are ${release.content_hash} now, not ${content_hash}: look at them again` }]

const asks = {
  create(release: Release, { service, artifacts, notes, parts, gates, policy, persons }: Creation, { actor }: Context): readonly Made[] {
    const wanted = [...new Set(artifacts)].sort()
    if (release.step !== 'unseen') {
      if (release.service !== service || release.artifacts.join() !== wanted.join())
        refuse('id_reused', 'there is another release with this id: the first stands', { path: 'release_id' })
      return []
    }
    const facts = [
      fact.created({ service, artifacts: wanted, by: actor, ...(notes ? { notes } : {}) }),
      ...(policy ? [fact.policy_seen(policy)] : []),
      ...parts.map((one) => fact.part_seen(one)),
      ...gates.map((one) => fact.gate_seen(one)),
      ...(persons.length > 0 ? [fact.persons_mapped({ persons: [...persons] })] : []),
    ]
    return following(release, facts.reduce(folded, release), facts)
  },

  requestApproval(release: Release, _: undefined, context: Context): readonly Made[] {
    exists(release)
    if (release.step === 'withdrawn') refuse('wrong_phase', 'it was withdrawn', { phase: release.step })
    if (release.step === 'approved' || release.step === 'approval_requested') return []
    return [fact.approval_requested({ by: context.actor, content_hash: release.content_hash })]
  },

  approve(release: Release, { content_hash }: { content_hash: string }, context: Context): readonly Made[] {
    exists(release)
    const obstacles = [
      ...over(release),
      ...eyesObstacles(release, context.actor),
      ...hashObstacle(release, content_hash),
      ...approvalObstacles(release),
    ]
    if (obstacles.length > 0) denied('approve', obstacles, release, context)
    return release.step === 'approved' ? [] : [fact.approved({ by: context.actor, content_hash })]
  },

  waiveContributor(release: Release, { identity, reason }: { identity: string; reason: string }, context: Context): readonly Made[] {
    exists(release)
    const { contributors, content_hash } = contentsOf(release)
    if (isPerson(identity) || !contributors.some(({ actor }) => actor === identity))
      refuse('not_found', `${identity} is no unidentified contributor of this release`, { path: 'contributor' })
    const obstacles = [...over(release), ...eyesObstacles(release, context.actor)]
    if (obstacles.length > 0) denied('waive', obstacles, release, context)
    if (release.waived.some((one) => one.identity === identity && one.content_hash === content_hash)) return []
    return [fact.contributor_waived({ identity, reason, by: context.actor, content_hash })]
  },

  refuse(release: Release, { reason }: { reason: string }, { actor }: Context): readonly Made[] {
    exists(release)
    if (release.step === 'withdrawn') refuse('wrong_phase', 'it was withdrawn', { phase: release.step })
    return release.step === 'refused' ? [] : [fact.refused({ reason, by: actor })]
  },

  withdraw(release: Release, { reason }: { reason: string }, { actor }: Context): readonly Made[] {
    exists(release)
    return release.step === 'withdrawn' ? [] : [fact.withdrawn({ reason, by: actor })]
  },

  deploy(release: Release, place: Environment & { readonly production: boolean }, context: Context): readonly Made[] {
    exists(release)
    const { environment, production } = place
    const obstacles = deployObstacles(release, place, context.actor, context.at)
    if (obstacles.length > 0) denied('deploy', obstacles, release, context, environment)
    return [
      fact.deployment_allowed({
        environment,
        production,
        by: context.actor,
        content_hash: release.content_hash,
        deployment: context.messageId,
      }),
    ]
  },
}

/** The state after facts of one and the same decision, before they are stored. */
function folded(release: Release, { verb, data }: Made): Release {
  if (verb === 'created') return { ...release, artifacts: data.artifacts, service: data.service, step: 'candidate' }
  if (verb === 'part_seen') return evolve.part_seen(release, data)
  if (verb === 'gate_seen') return evolve.gate_seen(release, data)
  if (verb === 'policy_seen') return evolve.policy_seen(release, data)
  return verb === 'persons_mapped' ? evolve.persons_mapped(release, data) : release
}

const tells = {
  /** An artifact was published: a candidate, unless there is one. */
  published(release: Release, { service, artifacts }: Candidate, { actor }: Context): readonly Made[] {
    if (release.step !== 'unseen') return []
    const created = fact.created({ service, artifacts: [...artifacts], by: actor })
    return following(release, folded(release, created), [created])
  },
  partSeen(release: Release, seen: Part): readonly Made[] {
    const known = release.parts[seen.artifact]?.told ?? 0
    if (known >= seen.told) return known === seen.told ? [] : following(release, release, [], overtaken(release, seen))
    return following(release, evolve.part_seen(release, seen), [fact.part_seen(seen)])
  },
  policySeen(release: Release, seen: { policy_hash: string; told: number }): readonly Made[] {
    if (release.policy && release.policy.told >= seen.told) return []
    return following(release, evolve.policy_seen(release, seen), [fact.policy_seen(seen)])
  },
  gateSeen(release: Release, seen: GateSeen): readonly Made[] {
    if (release.gates[seen.artifact]?.some(({ told }) => told === seen.told)) return []
    return following(release, evolve.gate_seen(release, seen), [fact.gate_seen(seen)])
  },
  personsMapped(release: Release, { persons }: { persons: readonly { identity: string; person: string }[] }): readonly Made[] {
    const news = persons.filter(({ identity, person }) => release.persons[identity] !== person)
    if (news.length === 0) return []
    return following(release, evolve.persons_mapped(release, { persons: news }), [fact.persons_mapped({ persons: news })])
  },
}

export const release = stream(
  'release',
  fact,
  unseen,
)({
  fold: 1,
  asks,
  tells,
  evolve: {
    ...evolve,
    created: (release, { service, artifacts, by, notes = '' }) =>
      release.step === 'unseen' ? { ...release, service, artifacts, by, notes, step: 'candidate' } : release,
    contents_set: (release, { content_hash }) => ({ ...release, content_hash }),
    contributor_waived: (release, waiver) => ({ ...release, waived: [...release.waived, waiver].slice(-kept) }),
    approval_requested: (release) => ({ ...release, step: 'approval_requested', reason: '' }),
    approved: (release, { by, content_hash }, { at }) => {
      const { requirements, policy_hash } = contentsOf(release)
      const parts = Object.fromEntries(Object.values(release.parts).map(({ artifact, told }) => [artifact, told]))
      const gates = Object.fromEntries(
        Object.values(release.gates).flatMap((verdicts) => verdicts.slice(-1).map(({ artifact, told }) => [artifact, told])),
      )
      const approval: Approval = { by, at, content_hash, basis: { requirements, policy_hash, parts, gates } }
      return { ...release, step: 'approved', reason: '', approvals: [...release.approvals, approval].slice(-kept) }
    },
    refused: (release, { reason }, { at }) => ended(release, 'refused', reason, at),
    voided: (release, { reason }, { at }) => ended(release, 'void', reason, at),
    withdrawn: (release, { reason }, { at }) => ended(release, 'withdrawn', reason, at),
    denied: (release, { what, by, code, reasons }, { at }) => ({
      ...release,
      denials: [...release.denials, { what, by, at, code, reasons }].slice(-kept),
    }),
    deployment_allowed: (release, { content_hash: _, ...permission }, { at }) => ({
      ...release,
      permissions: [...release.permissions, { ...permission, at }].slice(-kept),
    }),
  },
  phase: ({ step }) => step,
  closed: ['approved', 'refused', 'void', 'withdrawn'],
  keys: {
    service: ({ service }) => (service ? [service] : []),
    artifact: ({ artifacts }) => artifacts,
    /** Still to be approved or deployed: a change of the service's policy concerns it. */
    open: (release) => (open(release) ? [release.service] : []),
    unmapped: unmappedOf,
  },
  loops: (release) => contentsOf(release).requirements,
})
