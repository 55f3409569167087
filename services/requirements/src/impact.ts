import { belonging, idsOf } from './evidence.ts'
import { missingForReady, openProofs, type Phase, phaseOf, type Requirement, signalled, undecidedProofs } from './phase.ts'

export interface Impact {
  readonly score: number
  readonly requesters: number
  readonly signals: number
  readonly incidents: number
  /** In words, with the numbers it is made of. */
  readonly explanation: string
}

/** An incident stood in somebody's way and took an engineer; a signal is something seen; a requester is somebody who waits. */
const weights = { incidents: 10, signals: 3, requesters: 1 } as const

export function impactOf(requirement: Requirement): Impact {
  const counts = {
    incidents: idsOf(requirement.incidents).length,
    signals: idsOf(requirement.signals).length,
    requesters: new Set(belonging(requirement.requests).map(([, { requester }]) => requester)).size,
  }
  const kinds = Object.keys(weights) as (keyof typeof weights)[]
  const score = kinds.reduce((sum, kind) => sum + counts[kind] * weights[kind], 0)
  const parts = kinds.filter((kind) => counts[kind] > 0).map((kind) => `${counts[kind]} ${kind} × ${weights[kind]}`)
  return {
    ...counts,
    score,
    explanation: parts.length > 0 ? `${parts.join(' + ')} = ${score}` : 'nobody has asked and nothing was seen: 0',
  }
}

/** Pinned first, by rank; then by impact; then the older; then by id, so that every page is cut at one place. */
export function backlogKey({ id, state }: { readonly id: string; readonly state: Requirement }): string {
  const number = (value: number) => String(value).padStart(12, '0')
  return [number(state.pin?.rank ?? 999_999_999_999), number(999_999_999 - impactOf(state).score), state.raised?.at ?? '', id].join(' ')
}

/** Signals seen again after the first release that did not reopen it: from artifacts without the fix. */
export function notedSignals({ signals, places, reopenings }: Requirement): readonly string[] {
  const released = Object.values(places)
    .flatMap(({ production, entered }) => (production && entered ? [entered] : []))
    .sort()[0]
  if (!released) return []
  const reopening = new Set(reopenings.map(({ signal }) => signal))
  return belonging(signals)
    .filter(([id, { last }]) => last >= released && !reopening.has(id))
    .map(([id]) => id)
    .sort()
}

interface WaitsFor {
  readonly what: string
  /** A role, or the owner where known; empty: nobody. */
  readonly whom: string
}
const nothing: WaitsFor = { what: '', whom: '' }

const heldReasons = ({ artifacts }: Requirement) =>
  Object.values(artifacts)
    .filter(({ allowed }) => !allowed)
    .sort((a, b) => (a.decided < b.decided ? 1 : -1))[0]?.reasons ?? []
const owner = ({ refined }: Requirement) => refined?.operability.owner ?? 'operator'
const change: WaitsFor = { what: 'a change that names it', whom: 'developer' }

const next: Readonly<Record<Phase, (requirement: Requirement) => WaitsFor>> = {
  unseen: () => nothing,
  draft: () => ({ what: 'goal, acceptance criteria and operability', whom: 'product_owner' }),
  refined: (requirement) => {
    const missing = missingForReady(requirement)
    return {
      what: missing.length > 0 ? `for "ready" is missing: ${missing.join(', ')}` : 'the word that it is ready',
      whom: 'product_owner',
    }
  },
  ready: () => change,
  reopened: () => change,
  in_progress: (requirement) => {
    const reasons = heldReasons(requirement)
    return {
      what: reasons.length > 0 ? `the quality gate holds its artifact: ${reasons.join('; ')}` : 'an artifact that passes the quality gate',
      whom: 'developer',
    }
  },
  built: () => ({ what: 'approval and deployment to production', whom: 'approver' }),
  released: (requirement) =>
    signalled(requirement)
      ? { what: 'the proof on the same signal', whom: owner(requirement) }
      : { what: 'a named person who checks the acceptance criteria', whom: 'product_owner' },
  verifying: (requirement) => {
    const [undecided] = undecidedProofs(requirement)
    return undecided
      ? { what: `the proof ${undecided} could not decide: a person does`, whom: 'product_owner' }
      : { what: `the proof ${openProofs(requirement).join(', ')}: exposure in production`, whom: owner(requirement) }
  },
  verified: () => nothing,
  declined: () => nothing,
  merged: ({ merge }) => ({ what: `the requirement ${merge?.into} that it is a part of`, whom: '' }),
}
export const waitsFor = (requirement: Requirement): WaitsFor => next[phaseOf(requirement)](requirement)
