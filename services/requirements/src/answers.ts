import type { Requirements } from '@rondo/proto/requirements'
import { belonging, idsOf } from './evidence.ts'
import { impactOf, notedSignals, waitsFor } from './impact.ts'
import { missingForReady, phaseOf, type Requirement, stepsNotSeen } from './phase.ts'

export interface Known {
  readonly id: string
  readonly version: number
  readonly state: Requirement
}
type Details = Requirements['GetRequirement']['response']
type Summary = NonNullable<Details['summary']>

export function summaryOf({ id, version, state }: Known): Summary {
  return {
    requirement_id: id,
    title: state.raised?.title ?? '',
    service: state.raised?.service ?? '',
    phase: phaseOf(state),
    waits_for: waitsFor(state),
    impact: impactOf(state),
    pin: state.pin?.rank ?? 0,
    raised_at: state.raised?.at ?? '',
    version: String(version),
  }
}

const byTime = <T extends { readonly at: string }>(all: readonly T[]): T[] => all.toSorted((a, b) => (a.at < b.at ? -1 : 1))

/** Everything that is linked to it, oldest first. */
function links(state: Requirement) {
  const noted = new Set(notedSignals(state))
  const signals = belonging(state.signals).toSorted(([, a], [, b]) => (a.first < b.first ? -1 : 1))
  return {
    signals: signals.map(([signal_id, { problem = '', first, last }]) => ({
      signal_id,
      problem,
      first_at: first,
      last_at: last,
      noted: noted.has(signal_id),
    })),
    incident_ids: [...idsOf(state.incidents)],
    item_ids: [...new Set(belonging(state.requests).flatMap(([, { item }]) => item ?? []))].sort(),
    changes: Object.entries(state.changes)
      .toSorted(([, a], [, b]) => (a.committed_at < b.committed_at ? -1 : 1))
      .map(([sha, { repository, committed_at }]) => ({ sha, repository, committed_at })),
    artifacts: Object.entries(state.artifacts)
      .toSorted(([, a], [, b]) => (a.decided < b.decided ? -1 : 1))
      .map(([artifact, { allowed, reasons, decided }]) => ({ artifact, allowed, reasons: [...reasons], decided_at: decided })),
    places: Object.values(state.places).map(({ service, environment, production, artifact, inside, at }) => ({
      service,
      environment,
      production,
      artifact,
      inside,
      since: at,
    })),
    proofs: byTime(
      Object.entries(state.proofs).map(([proof_id, { environment = '', opened = '', verdict }]) => ({
        proof_id,
        environment,
        status: verdict?.status ?? 'open',
        reason: verdict?.reason ?? '',
        at: verdict?.at ?? opened,
      })),
    ),
    reopenings: state.reopenings.map(({ at, reason, proof = '', signal = '' }) => ({ at, reason, proof_id: proof, signal_id: signal })),
  }
}

export function detailsOf(known: Known): Details {
  const { state } = known
  const { owner = '', runbook = '', objective = '' } = state.refined?.operability ?? {}
  return {
    summary: summaryOf(known),
    problem: state.raised?.problem ?? '',
    origin_kind: state.raised?.origin.kind ?? '',
    origin_id: state.raised?.origin.id ?? '',
    goal: state.refined?.goal ?? '',
    acceptance: [...(state.refined?.acceptance ?? [])],
    operability: { owner, runbook, objective },
    designs: [...(state.refined?.designs ?? [])],
    ...links(state),
    declined_reason: phaseOf(state) === 'declined' ? (state.declined?.reason ?? '') : '',
    merged_into: state.merge?.into ?? '',
    steps_not_seen: [...stepsNotSeen(state)],
    missing: [...missingForReady(state)],
  }
}
