import type { Refinement } from '@rondo/contracts/requirements'
import { type Instant, refuse } from '@rondo/kernel'
import { type Evidences, idsOf } from './evidence.ts'

export interface Seen {
  readonly at: Instant
}
interface Change extends Seen {
  readonly repository: string
  readonly committed_at: Instant
}
interface Artifact {
  /** The first time that its gate let it through: a later look at old evidence makes it no newer. */
  readonly built?: Instant
  /** The latest decision. */
  readonly decided: Instant
  readonly allowed: boolean
  readonly reasons: readonly string[]
}
export interface Place extends Seen {
  readonly service: string
  readonly environment: string
  /** How much was known: of two for one time the better informed holds. */
  readonly basis: number
  readonly artifact: string
  readonly production: boolean
  readonly inside: boolean
  /** The first time that it entered. */
  readonly entered?: Instant | undefined
}
interface Proof {
  readonly environment?: string
  readonly opened?: Instant
  readonly verdict?: Seen & { readonly status: 'verified' | 'regressed' | 'undecided'; readonly reason: string }
}
export interface Reopening extends Seen {
  readonly reason: string
  readonly proof?: string | undefined
  readonly signal?: string | undefined
  readonly from?: string | undefined
}

/** All that was seen, in whatever order it came; the phase is read off it. */
export interface Requirement {
  readonly raised?: Seen & {
    readonly title: string
    readonly service: string
    readonly problem?: string | undefined
    readonly origin: { readonly kind: string; readonly id: string }
  }
  readonly refined?: Seen & Refinement
  readonly readied?: Seen
  readonly signals: Evidences
  readonly requests: Evidences
  readonly incidents: Evidences
  readonly changes: Readonly<Record<string, Change>>
  readonly artifacts: Readonly<Record<string, Artifact>>
  /** By service and environment. */
  readonly places: Readonly<Record<string, Place>>
  readonly proofs: Readonly<Record<string, Proof>>
  readonly verified?: Seen & { readonly proof?: string | undefined; readonly by?: string | undefined; readonly reason?: string | undefined }
  readonly reopenings: readonly Reopening[]
  readonly declined?: Seen & { readonly reason: string }
  /** Null: taken back. */
  readonly merge?: Seen & { readonly into: string | null }
  /** Where the latest split went. */
  readonly split?: Seen & { readonly to: string }
  readonly pin?: Seen & { readonly rank: number | null }
}

export const phases = [
  'draft',
  'refined',
  'ready',
  'in_progress',
  'built',
  'released',
  'verifying',
  'verified',
  'declined',
  'merged',
  'reopened',
] as const
export type Phase = (typeof phases)[number] | 'unseen'

/** Since when steps count: the latest reopening of what had been released. Empty: from the beginning. */
const countsFrom = ({ reopenings }: Requirement): Instant =>
  reopenings.reduce((latest, { at, from }) => (from !== 'declined' && at > latest ? at : latest), '')
/** The reopening that holds: the last one. */
export const lastReopening = (requirement: Requirement) => requirement.reopenings.findLast(({ at }) => at === countsFrom(requirement))

export const signalled = ({ raised, signals }: Requirement) => raised?.origin.kind === 'signal' || idsOf(signals).length > 0

function production(requirement: Requirement, since: Instant) {
  const places = Object.values(requirement.places).filter((place) => place.production && place.at > since)
  // After a reopening the old artifact still runs: only one that was built since then is the new answer
  const answers = (place: Place) => !since || (requirement.artifacts[place.artifact]?.built ?? '') > since
  return { known: places.length > 0, inside: places.some((place) => place.inside && answers(place)) }
}

/** From the furthest step back: the first that the facts since the last reopening still support. */
const steps: readonly (readonly [Phase, (requirement: Requirement, since: Instant) => boolean])[] = [
  ['verified', ({ verified }, since) => verified !== undefined && verified.at > since],
  [
    'verifying',
    (requirement, since) => {
      const { known, inside } = production(requirement, since)
      return (inside || !known) && openProofs(requirement).length > 0
    },
  ],
  ['released', (requirement, since) => production(requirement, since).inside],
  // What once ran was built, whether or not anybody told
  [
    'built',
    (requirement, since) =>
      Object.values(requirement.artifacts).some(({ built, allowed }) => allowed && (built ?? '') > since) ||
      (!since && Object.values(requirement.places).length > 0),
  ],
  ['in_progress', ({ changes }, since) => Object.values(changes).some(({ at }) => at > since)],
  ['reopened', (_, since) => since !== ''],
  ['ready', ({ readied }) => readied !== undefined],
  ['refined', ({ refined }) => refined !== undefined],
  ['draft', () => true],
]

export function phaseOf(requirement: Requirement): Phase {
  const { raised, merge, declined, reopenings } = requirement
  if (!raised) return 'unseen'
  if (merge?.into) return 'merged'
  if (declined && !reopenings.some(({ from, at }) => from === 'declined' && at >= declined.at)) return 'declined'
  return steps.find(([, supported]) => supported(requirement, countsFrom(requirement)))?.[0] ?? 'draft'
}

/** Opened since the last reopening and not decided. */
export function openProofs(requirement: Requirement): readonly string[] {
  const since = countsFrom(requirement)
  const open = ({ opened, verdict }: Proof) => (opened ?? verdict?.at ?? '') > since && (!verdict || verdict.status === 'undecided')
  return Object.entries(requirement.proofs)
    .filter(([, proof]) => open(proof))
    .map(([id]) => id)
    .sort()
}
export const undecidedProofs = (requirement: Requirement) => openProofs(requirement).filter((id) => requirement.proofs[id]?.verdict)

/** Steps that lie behind its phase and were never seen. */
export function stepsNotSeen(requirement: Requirement): readonly Phase[] {
  const { refined, readied, changes, artifacts, places, proofs } = requirement
  const seen: readonly (readonly [Phase, unknown])[] = [
    ['refined', refined],
    ['ready', readied],
    ['in_progress', Object.keys(changes).length],
    ['built', Object.values(artifacts).some(({ built }) => built)],
    ['released', Object.values(places).some((place) => place.production)],
    ['verifying', !signalled(requirement) || Object.keys(proofs).length],
  ]
  const reached = phases.indexOf(phaseOf(requirement) as (typeof phases)[number])
  if (reached > phases.indexOf('verified')) return []
  return seen.filter(([phase, found]) => !found && phases.indexOf(phase as (typeof phases)[number]) < reached).map(([phase]) => phase)
}

/** What "ready" still needs, all of it. */
export function missingForReady({ refined }: Pick<Requirement, 'refined'>): readonly string[] {
  const { goal, acceptance, operability } = refined ?? {}
  const needed = {
    goal,
    acceptance: acceptance?.length,
    'operability.owner': operability?.owner,
    'operability.runbook': operability?.runbook,
    'operability.objective': operability?.objective,
  }
  return Object.entries(needed)
    .filter(([, value]) => !value)
    .map(([what]) => what)
}

/** What lies between a phase and the nearest one from which it would go. */
function missingFrom(phase: Phase, allowed: readonly Phase[]): readonly string[] {
  const path = phases.slice(0, phases.indexOf('verified') + 1)
  const from = phase === 'reopened' ? path.indexOf('ready') : path.indexOf(phase as (typeof path)[number])
  if (from < 0) return [phase === 'merged' ? 'unmerge' : 'reopen']
  const to = path.findIndex((step, index) => index > from && allowed.includes(step))
  return to < 0 ? ['reopen'] : path.slice(from + 1, to + 1)
}

/** Refuses with from, to and all that is missing. */
export function permit(requirement: Requirement, id: string, what: string, to: Phase, allowed: readonly Phase[]): Phase {
  const phase = phaseOf(requirement)
  if (phase === 'unseen') refuse('not_found', `there is no requirement ${id}`, { path: 'requirement_id' })
  if (!allowed.includes(phase)) {
    const missing = missingFrom(phase, allowed)
    refuse('wrong_phase', `${id} is ${phase}: to ${what} it must be ${allowed.join(' or ')}; missing: ${missing.join(', ')}`, {
      phase,
      from: phase,
      to,
      missing,
    })
  }
  return phase
}

/** Whether the move is the later one; of two at once the better informed, else entering. */
export function laterMove(known: Place | undefined, move: Omit<Place, 'entered'>): boolean {
  if (!known || move.at !== known.at) return !known || move.at > known.at
  if (move.basis !== known.basis) return move.basis > known.basis
  return move.inside !== known.inside ? move.inside : move.artifact > known.artifact
}
export const placeKey = ({ service, environment }: Pick<Place, 'service' | 'environment'>) => `${service}/${environment}`
