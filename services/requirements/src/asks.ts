import { requirement as fact, type Refinement } from '@rondo/contracts/requirements'
import { type Context, refuse } from '@rondo/kernel'
import { belonging, idsOf } from './evidence.ts'
import { missingForReady, permit, phaseOf, type Requirement, signalled, undecidedProofs } from './phase.ts'
import type { Draft, Origin } from './tells.ts'

function namedPerson({ actor }: Context, what: string): string {
  return actor.startsWith('person:') ? actor : refuse('forbidden', `${what} needs a named person; this token speaks for ${actor}`)
}

/** What a person decides. */
export const asks = {
  raise(requirement: Requirement, { origin, ...draft }: Draft & { origin: Origin }, { streamId }: Context) {
    if (requirement.raised) refuse('already_exists', `${streamId} exists already`, { path: 'requirement_id', phase: phaseOf(requirement) })
    return [fact.raised({ ...draft, origin })]
  },

  refine(requirement: Requirement, refinement: Refinement, { streamId }: Context) {
    const phase = permit(requirement, streamId, 'be refined', 'refined', ['draft', 'refined', 'ready', 'in_progress', 'reopened'])
    const missing = missingForReady({ refined: { ...refinement, at: '' } })
    if (phase !== 'draft' && phase !== 'refined' && missing.length > 0)
      refuse('wrong_phase', `${streamId} is ${phase}, so it has to stay complete; missing: ${missing.join(', ')}`, {
        phase,
        from: phase,
        to: phase,
        missing,
      })
    return [fact.refined(refinement)]
  },

  makeReady(requirement: Requirement, _: undefined, { actor, streamId }: Context) {
    const phase = permit(requirement, streamId, 'be made ready', 'ready', ['draft', 'refined', 'ready', 'reopened'])
    const missing = missingForReady(requirement)
    if (missing.length > 0)
      refuse('wrong_phase', `${streamId} is ${phase} and not ready; missing: ${missing.join(', ')}`, {
        phase,
        from: phase,
        to: 'ready',
        missing,
      })
    return requirement.readied ? [] : [fact.readied({ by: actor })]
  },

  decline(requirement: Requirement, { reason }: { reason: string }, { actor, streamId }: Context) {
    const phase = permit(requirement, streamId, 'be declined', 'declined', [
      'draft',
      'refined',
      'ready',
      'in_progress',
      'built',
      'declined',
      'reopened',
    ])
    return phase === 'declined' ? [] : [fact.declined({ reason, by: actor })]
  },

  /** That `into` exists and does not lead back here is the caller's to check: no stream sees another. */
  merge(requirement: Requirement, { into, reason }: { into: string; reason: string }, { actor, streamId }: Context) {
    const allowed = ['draft', 'refined', 'ready', 'in_progress', 'built', 'released', 'verifying', 'reopened', 'merged'] as const
    const phase = permit(requirement, streamId, 'be merged', 'merged', allowed)
    if (into === streamId) refuse('invalid', `${streamId} cannot be merged into itself`, { path: 'into_requirement_id' })
    const now = requirement.merge?.into
    if (phase === 'merged' && now !== into)
      refuse('wrong_phase', `${streamId} is merged into ${now}: unmerge it first`, { phase, from: phase, to: phase, missing: ['unmerge'] })
    return phase === 'merged' ? [] : [fact.merged({ into, by: actor, reason })]
  },

  unmerge(requirement: Requirement, _: undefined, { actor, streamId }: Context) {
    const phase = phaseOf(requirement)
    if (phase === 'unseen') refuse('not_found', `there is no requirement ${streamId}`, { path: 'requirement_id' })
    const from = requirement.merge?.into
    if (!from) refuse('wrong_phase', `${streamId} is ${phase} and not merged`, { phase, from: phase, to: phase, missing: ['merge'] })
    return [fact.unmerged({ from, by: actor })]
  },

  split(
    requirement: Requirement,
    what: { signals: readonly string[]; items: readonly string[]; incidents: readonly string[]; to: string; title?: string | undefined },
    { actor, streamId }: Context,
  ) {
    const allowed = [
      'draft',
      'refined',
      'ready',
      'in_progress',
      'built',
      'released',
      'verifying',
      'verified',
      'declined',
      'reopened',
    ] as const
    permit(requirement, streamId, 'be split', phaseOf(requirement), allowed)
    if (what.to === streamId) refuse('invalid', `${streamId} has them already`, { path: 'to_requirement_id' })
    const wanted = [...what.signals, ...what.items, ...what.incidents]
    if (wanted.length === 0) refuse('invalid', 'name at least one signal, item or incident to move', { path: 'signal_ids' })
    const items = belonging(requirement.requests).map(([, { item }]) => item)
    const has = new Set([...idsOf(requirement.signals), ...items, ...idsOf(requirement.incidents)])
    const missing = wanted.filter((id) => !has.has(id))
    if (missing.length > 0)
      refuse('not_found', `these do not belong to ${streamId}: ${missing.join(', ')}`, { path: 'signal_ids', missing })
    const { signals, incidents, to, title } = what
    return [
      fact.split({ signals: [...signals], items: [...what.items], incidents: [...incidents], to, by: actor, ...(title && { title }) }),
    ]
  },

  pin(requirement: Requirement, { rank }: { rank: number | null }, { actor, streamId }: Context) {
    permit(requirement, streamId, 'be pinned', phaseOf(requirement), [
      'draft',
      'refined',
      'ready',
      'in_progress',
      'built',
      'released',
      'verifying',
      'reopened',
    ])
    return (requirement.pin?.rank ?? null) === rank ? [] : [fact.pinned({ rank, by: actor })]
  },

  verify(requirement: Requirement, { reason }: { reason?: string | undefined }, context: Context) {
    const { streamId } = context
    const phase = permit(requirement, streamId, 'be verified', 'verified', ['released', 'verifying', 'verified'])
    const undecided = undecidedProofs(requirement)
    if (phase !== 'verified' && signalled(requirement) && undecided.length === 0)
      refuse('wrong_phase', `${streamId} comes from a signal: the same signal has to prove it`, {
        phase,
        from: phase,
        to: 'verified',
        missing: ['a proof on the same signal'],
      })
    const by = namedPerson(context, 'verification')
    if (undecided.length > 0 && !reason)
      refuse('invalid', `the proof ${undecided[0]} could not decide: say what was checked`, { path: 'reason' })
    return phase === 'verified' ? [] : [fact.verified({ by, ...(reason && { reason }), ...(undecided[0] && { proof: undecided[0] }) })]
  },

  reopen(requirement: Requirement, { reason }: { reason: string }, { actor, streamId }: Context) {
    const from = permit(requirement, streamId, 'be reopened', 'reopened', ['released', 'verifying', 'verified', 'declined'])
    const proof = requirement.verified?.proof ?? undecidedProofs(requirement)[0]
    return [fact.reopened({ reason, from, by: actor, ...(from !== 'declined' && proof && { proof }) })]
  },
}
