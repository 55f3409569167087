import { type ErrorCode, type Instant, millis } from '@rondo/kernel'
import type { Environment } from './environment.ts'
import { fourEyes, isPerson, unknownInWords } from './four-eyes.ts'
import type { Approval, Release } from './release.ts'
import { contentsOf, lastVerdict, turnedWorse, unknownContents } from './release-contents.ts'

/** What stands in the way, and the code under which it is refused. */
export interface Obstacle {
  readonly code: ErrorCode
  readonly reason: string
}

/** Clocks of deployers are cut to the second: so much earlier is not "before". */
const slack_ms = 1000

const known = ({ persons, waived }: Release, content_hash: string) => ({
  persons,
  waived: waived.filter((one) => one.content_hash === content_hash).map(({ identity }) => identity),
})

export const currentApproval = ({ approvals }: Release): Approval | undefined => approvals.findLast(({ voided }) => !voided)

/** What nobody can approve past: unknown contents, unknown contributors. */
export function approvalObstacles(release: Release): readonly Obstacle[] {
  const { contributors, content_hash } = contentsOf(release)
  const { unknown } = fourEyes('nobody', contributors, known(release, content_hash))
  const reasons = [...unknownContents(release), ...unknown.map(unknownInWords)]
  return reasons.map((reason) => ({ code: 'unknown_identity', reason }))
}

/** In which roles somebody contributed, in words. */
export function eyesObstacles(release: Release, by: string): readonly Obstacle[] {
  if (!isPerson(by)) return [{ code: 'four_eyes', reason: `only a person approves, ${by} is none` }]
  const { contributors, content_hash } = contentsOf(release)
  const { roles } = fourEyes(by, contributors, known(release, content_hash))
  return roles.length > 0 ? [{ code: 'four_eyes', reason: `${by} contributed as ${roles.join(', ')}` }] : []
}

/** Why the approval that stands no longer holds; undefined: it does. */
export function voidReason(release: Release): string | undefined {
  const approval = currentApproval(release)
  if (!approval) return undefined
  const { basis, by } = approval
  const { requirements, policy_hash } = contentsOf(release)
  if (requirements.join() !== basis.requirements.join())
    return `the requirements in it changed from [${basis.requirements.join(', ')}] to [${requirements.join(', ')}]`
  // A policy that becomes known was not changed: an approval may precede the verdict.
  if (basis.policy_hash && policy_hash !== basis.policy_hash) return `the policy changed from ${basis.policy_hash} to ${policy_hash}`
  const worse = release.artifacts
    .map((artifact) => turnedWorse(release.gates[artifact] ?? [], basis.gates[artifact] ?? 0))
    .find((verdict) => verdict)
  if (worse) return `the gate of ${worse.artifact} turned worse: ${worse.verdict}`
  return eyesObstacles(release, by)[0]?.reason
}

function approvalNeeded(release: Release): readonly Obstacle[] {
  const approval = currentApproval(release)
  if (approval) return eyesObstacles(release, approval.by)
  const last = release.approvals.at(-1)
  if (release.step === 'void' && last?.voided) return [{ code: 'wrong_phase', reason: `changed since approval: ${last.voided.reason}` }]
  return [{ code: 'wrong_phase', reason: `not approved: it is ${release.step.replaceAll('_', ' ')}` }]
}

function gateObstacles(release: Release, at: Instant): readonly Obstacle[] {
  return release.artifacts.flatMap((artifact): Obstacle[] => {
    const gate = lastVerdict(release, artifact)
    if (!gate) return [{ code: 'gate_denied', reason: `there is no gate verdict for ${artifact}` }]
    if (!gate.release_allowed)
      return [{ code: 'gate_denied', reason: `the gate does not allow ${artifact}: ${[gate.verdict, ...gate.reasons].join('; ')}` }]
    if (gate.allowed_until && gate.allowed_until <= at)
      return [{ code: 'gate_denied', reason: `the waiver that the gate of ${artifact} rests on ended at ${gate.allowed_until}` }]
    return []
  })
}

function placeObstacles({ environment, frozen_from, frozen_until, deployers }: Environment, by: string, at: Instant): readonly Obstacle[] {
  const frozen = frozen_from !== undefined && frozen_from <= at && (frozen_until === undefined || at < frozen_until)
  return [
    ...(frozen
      ? [{ code: 'wrong_phase' as const, reason: `${environment} is frozen from ${frozen_from} until ${frozen_until ?? 'further notice'}` }]
      : []),
    ...(deployers.length > 0 && !deployers.includes(by)
      ? [{ code: 'forbidden' as const, reason: `${by} may not deploy to ${environment}` }]
      : []),
  ]
}

/** What approval and gate have against production at this moment. */
export const releaseObstacles = (release: Release, at: Instant): readonly Obstacle[] => [
  ...approvalNeeded(release),
  ...approvalObstacles(release),
  ...gateObstacles(release, at),
]

/** Everything that stands in the way of a deployment, at once. Approval and gate are needed where users are served. */
export function deployObstacles(release: Release, place: Environment, by: string, at: Instant): readonly Obstacle[] {
  return [...(place.production ? releaseObstacles(release, at) : closed(release)), ...placeObstacles(place, by, at)]
}

const closed = ({ step }: Release): readonly Obstacle[] =>
  step === 'withdrawn' || step === 'refused' ? [{ code: 'wrong_phase', reason: `it is ${step}` }] : []

/** Why what was seen in production at a moment was not allowed to be there; none: one of the releases was approved then. */
export function violationsOf(
  releases: readonly { readonly id: string; readonly state: Release }[],
  artifact: string,
  at: Instant,
): readonly string[] {
  if (releases.length === 0) return [`no release holds ${artifact}`]
  const reasons = releases.map(({ id, state }) => {
    const given = state.approvals.filter((approval) => millis(approval.at) <= millis(at) + slack_ms)
    if (given.some(({ voided }) => !voided || voided.at > at)) return undefined
    const last = given.at(-1) ?? state.approvals[0]
    if (!last) return `${id} was not approved: it is ${state.step.replaceAll('_', ' ')}`
    return last.voided && given.length > 0 ? `${id} changed since approval: ${last.voided.reason}` : `${id} was approved only at ${last.at}`
  })
  return reasons.includes(undefined) ? [] : reasons.filter((reason) => reason !== undefined)
}
