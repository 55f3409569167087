import { requirement as fact } from '@rondo/contracts/requirements'
import type { Context, Instant } from '@rondo/kernel'
import { belonging, type Evidences, isNews, requestId } from './evidence.ts'
import { laterMove, type Place, placeKey, type Requirement } from './phase.ts'

export interface Origin {
  readonly kind: 'person' | 'signal' | 'incident' | 'feedback' | 'review' | 'import'
  readonly id: string
}
export interface Draft {
  readonly title: string
  readonly service: string
  readonly problem?: string | undefined
}
export interface Signal {
  readonly signal: string
  readonly problem: string
  readonly service: string
  /** When this episode began; without it the time of the event. */
  readonly episode?: Instant | undefined
}
export interface Request {
  readonly item: string
  readonly requester: string
}
interface Incident {
  readonly incident: string
  /** What it is about. */
  readonly signals: readonly string[]
}
/** What moves with a merge or a split. */
export interface Moving {
  readonly from: string
  readonly signals: readonly Signal[]
  readonly requests: readonly Request[]
  readonly incidents: readonly Incident[]
}

/** Where it is not raised yet, or was by a later report of the same: the earliest says what it is. */
function raisedUnless({ raised }: Requirement, draft: Draft, origin: Origin, { at }: Context) {
  const same =
    raised &&
    raised.problem === draft.problem &&
    (draft.problem !== undefined || (raised.origin.kind === origin.kind && raised.origin.id === origin.id))
  if (!raised) return [fact.raised({ ...draft, origin })]
  return same && at < raised.at ? [fact.dated_back({ ...draft, origin })] : []
}

function join(requirement: Requirement, { signal, problem, service, episode }: Signal, { at }: Context, from?: string) {
  const news = isNews(requirement.signals, { id: signal, at: episode, from, repeats: true }, at)
  return news ? [fact.joined({ signal, problem, service, ...(episode && { episode }), ...(from && { moved_from: from }) })] : []
}
function request(requirement: Requirement, { item, requester }: Request, { at }: Context, from?: string) {
  return isNews(requirement.requests, { id: requestId(item, requester), from }, at)
    ? [fact.requested({ item, requester, ...(from && { moved_from: from }) })]
    : []
}
function joinIncident(requirement: Requirement, { incident, signals }: Incident, { at }: Context, from?: string) {
  return isNews(requirement.incidents, { id: incident, from }, at)
    ? [fact.incident_joined({ incident, signals: [...signals], ...(from && { moved_from: from }) })]
    : []
}

function reopening(
  requirement: Requirement,
  { proof, signal, reason }: { proof: string; signal?: string | undefined; reason: string },
  { at }: Context,
) {
  const known = requirement.reopenings.some((other) => other.at === at && other.proof === proof && other.signal === signal)
  return known ? [] : [fact.reopened({ proof, reason, ...(signal && { signal }) })]
}

type Judged = { proof: string; verdict: 'verified' | 'regressed' | 'inconclusive' | 'error'; reason: string }
type Move = Omit<Place, 'inside' | 'entered'>
interface Origins extends Draft {
  readonly origin: string
}

/** What was seen elsewhere: recorded in any phase and any order, once. */
export const tells = {
  signalOpened: (requirement: Requirement, { title, ...signal }: Signal & { title: string }, context: Context) => [
    ...raisedUnless(
      requirement,
      { title, service: signal.service, problem: signal.problem },
      { kind: 'signal', id: signal.signal },
      context,
    ),
    ...join(requirement, signal, context),
  ],
  changeNamed(requirement: Requirement, named: { sha: string; repository: string; at: Instant }, { at }: Context) {
    const known = requirement.changes[named.sha]
    return known && known.at <= at && known.committed_at <= named.at ? [] : [fact.named(named)]
  },
  /** A gate decision about an artifact that contains its change. */
  gateDecided(
    requirement: Requirement,
    {
      artifact,
      revision,
      allowed,
      verdict,
      reasons,
    }: {
      artifact: string
      revision?: string | undefined
      allowed: boolean
      verdict: 'pass' | 'warn' | 'fail' | 'inconclusive'
      reasons: readonly string[]
    },
    { at }: Context,
  ) {
    const known = requirement.artifacts[artifact]
    const older = known && at <= known.decided && (!allowed || (known.built !== undefined && at >= known.built))
    if (older) return []
    return [allowed ? fact.built({ artifact, ...(revision && { revision }) }) : fact.held({ artifact, verdict, reasons: [...reasons] })]
  },
  entered(requirement: Requirement, move: Move) {
    const known = requirement.places[placeKey(move)]
    return laterMove(known, { ...move, inside: true }) || !known?.entered || move.at < known.entered ? [fact.entered(move)] : []
  },
  left: (requirement: Requirement, move: Move) =>
    laterMove(requirement.places[placeKey(move)], { ...move, inside: false }) ? [fact.left(move)] : [],
  proofOpened: (requirement: Requirement, proof: { proof: string; environment: string }, { at }: Context) =>
    (requirement.proofs[proof.proof]?.opened ?? '~') <= at ? [] : [fact.proof_opened(proof)],
  proofJudged(requirement: Requirement, { proof, verdict, reason }: Judged, context: Context) {
    const known = (requirement.proofs[proof]?.verdict?.at ?? '') >= context.at
    if (verdict === 'error') return []
    if (verdict === 'inconclusive') return known ? [] : [fact.undecided({ proof, reason })]
    if (verdict === 'verified') return known && (requirement.verified?.at ?? '') >= context.at ? [] : [fact.verified({ proof, reason })]
    return [...(known ? [] : [fact.regressed({ proof, reason })]), ...reopening(requirement, { proof, reason }, context)]
  },
  proofRecurred: (requirement: Requirement, { proof, signal }: { proof: string; signal: string }, context: Context) =>
    reopening(requirement, { proof, signal, reason: 'the signal came again from an artifact with the fix' }, context),
  feedbackLinked: (requirement: Requirement, { item, requesters }: { item: string; requesters: readonly string[] }, context: Context) =>
    requesters.flatMap((requester) => request(requirement, { item, requester }, context)),
  feedbackAskedFor: (
    requirement: Requirement,
    { item, requesters, ...draft }: Draft & { item: string; requesters: readonly string[] },
    context: Context,
  ) => [
    ...raisedUnless(requirement, draft, { kind: 'feedback', id: item }, context),
    ...requesters.flatMap((requester) => request(requirement, { item, requester }, context)),
  ],
  incidentDeclared: (requirement: Requirement, { incident, signals, ...draft }: Draft & Incident, context: Context) => [
    ...raisedUnless(requirement, draft, { kind: 'incident', id: incident }, context),
    ...joinIncident(requirement, { incident, signals }, context),
  ],
  followUp: (requirement: Requirement, { origin, ...draft }: Origins, context: Context) =>
    raisedUnless(requirement, draft, { kind: 'review', id: origin }, context),
  importedIssue: (requirement: Requirement, { origin, ...draft }: Origins, context: Context) =>
    raisedUnless(requirement, draft, { kind: 'import', id: origin }, context),
  /** From a merge or a split; raises one where a new one was asked for. */
  receive: (
    requirement: Requirement,
    { from, signals, requests, incidents, raise }: Moving & { raise?: (Draft & { origin: Origin }) | undefined },
    context: Context,
  ) => [
    ...(raise ? raisedUnless(requirement, { title: raise.title, service: raise.service }, raise.origin, context) : []),
    ...signals.flatMap((signal) => join(requirement, signal, context, from)),
    ...requests.flatMap((one) => request(requirement, one, context, from)),
    ...incidents.flatMap((incident) => joinIncident(requirement, incident, context, from)),
  ],
  /** A merge was taken back: what came with it, and only that, goes home. */
  giveBack(requirement: Requirement, { to }: { to: string }, { actor }: Context) {
    const came = (evidences: Evidences) => belonging(evidences).filter(([, { own, from }]) => !own && from === to)
    const ids = (evidences: Evidences) => came(evidences).map(([id]) => id)
    const [signals, incidents] = [ids(requirement.signals), ids(requirement.incidents)]
    const items = [...new Set(came(requirement.requests).flatMap(([, { item }]) => item ?? []))]
    return signals.length + items.length + incidents.length === 0 ? [] : [fact.split({ signals, items, incidents, to, by: actor })]
  },
}
