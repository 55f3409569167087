import { incident as fact, type suspect } from '@rondo/contracts/operations'
import { type Instant, millis, refuse, stream } from '@rondo/kernel'
import type { z } from 'zod'
import { whereKey } from './names.ts'
import { type Running, runningAt } from './running.ts'

export type Declaration = Omit<z.infer<typeof fact.declared.schema>, 'incident' | 'by'>
export type Suspect = z.infer<typeof suspect>
interface Step {
  readonly at: Instant
  readonly by: string
}
export interface Attribution {
  readonly cause: 'deployment' | 'not_a_deployment' | 'undecided'
  readonly artifact?: string | undefined
  readonly deployment?: string | undefined
  readonly reason: string
}
export interface FollowUp {
  readonly id: string
  readonly title: string
}
export interface Incident {
  readonly declared?: Declaration & Step
  readonly acknowledged?: Step
  readonly mitigated?: Step & { readonly note: string }
  readonly resolved?: Step & { readonly resolved_at: Instant }
  readonly attributed?: Step & Attribution
  readonly reviewed?: Step & { readonly summary: string; readonly follow_ups: readonly FollowUp[] }
  readonly suspects: readonly Suspect[]
}

export function phaseOf({ declared, acknowledged, mitigated, resolved, reviewed }: Incident) {
  if (reviewed) return 'reviewed'
  if (resolved) return 'resolved'
  if (mitigated) return 'mitigated'
  if (acknowledged) return 'acknowledged'
  return declared ? 'declared' : 'unseen'
}

const lookBack = 24 * 3_600_000

const since = (from: Instant, to: Instant) => {
  const minutes = Math.round((millis(to) - millis(from)) / 60_000)
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`
}

/** Deployments of the service there in the 24 hours before it began, and what ran then; each with why it is suspected. Newest first. */
export function suspectsOf(running: Running, began_at: Instant): readonly Suspect[] {
  const serving = new Map(runningAt(running, began_at).map(({ placement, share }) => [placement, share]))
  return running.placements
    .filter(
      (placement) => placement.since <= began_at && (serving.has(placement) || millis(began_at) - millis(placement.since) <= lookBack),
    )
    .map((placement) => {
      const share = serving.get(placement)
      const ran = share === undefined ? 'no longer ran then' : `served ${Math.round(share * 100)} % of the traffic then`
      const what = placement.share === 0 ? 'was taken away, with nothing in its place,' : 'began to serve'
      const reason = `${what} ${since(placement.since, began_at)} before it began, ${ran}`
      return {
        deployment: placement.deployment,
        artifact: placement.artifact,
        at: placement.since,
        changes: [...placement.changes_entered],
        reason,
      }
    })
    .reverse()
    .slice(0, 20)
}

/** Once suspected, always shown: each deployment once, newest first, at most 50. */
function together(known: readonly Suspect[], more: readonly Suspect[]): readonly Suspect[] {
  const key = ({ at, deployment, artifact }: Suspect) => `${at} ${deployment} ${artifact}`
  const texts = [...known, ...more]
    .map((one) => [key(one), JSON.stringify(one), one] as const)
    .sort((a, b) => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? 1 : -1))
  return texts
    .filter(([own], index) => texts[index - 1]?.[0] !== own)
    .map(([, , one]) => one)
    .slice(0, 50)
}

const declaredOf = (known: Incident) =>
  known.declared ?? refuse('not_found', 'there is no such incident: declare it first', { path: 'incident_id' })

/** A step that is taken once, in time. */
function unresolved(known: Incident, step: string) {
  const { resolved } = known
  declaredOf(known)
  if (resolved)
    refuse('wrong_phase', `it was resolved at ${resolved.resolved_at}: it cannot be ${step} any more`, { phase: phaseOf(known) })
}

const earliest = <T extends Step>(known: T | undefined, step: T): T =>
  known && (known.at < step.at || (known.at === step.at && JSON.stringify(known) <= JSON.stringify(step))) ? known : step
const latest = <T extends Step>(known: T | undefined, step: T): T =>
  known && (known.at > step.at || (known.at === step.at && JSON.stringify(known) >= JSON.stringify(step))) ? known : step

export const incident = stream('incident', fact, { suspects: [] } as Incident)({
  fold: 1,

  asks: {
    declare(known, declaration: Declaration, { actor, at, streamId }) {
      if (declaration.began_at > at) refuse('invalid', `it began at ${declaration.began_at}, which is still to come`, { path: 'began_at' })
      if (!known.declared) return [fact.declared({ ...declaration, incident: streamId, by: actor })]
      const { service, title, began_at } = known.declared
      if (service === declaration.service && title === declaration.title && began_at === declaration.began_at) return []
      return refuse('already_exists', `an incident with this id is known: "${title}" of ${service}, begun at ${began_at}`, {
        path: 'incident_id',
      })
    },
    acknowledge(known, _input: undefined, { actor, streamId }) {
      unresolved(known, 'acknowledged')
      return known.acknowledged ? [] : [fact.acknowledged({ incident: streamId, by: actor })]
    },
    mitigate(known, { note }: { note: string }, { actor, streamId }) {
      unresolved(known, 'mitigated')
      return known.mitigated ? [] : [fact.mitigated({ incident: streamId, by: actor, note })]
    },
    resolve(known, { resolved_at }: { resolved_at?: Instant | undefined }, { actor, at, streamId }) {
      const { service, began_at } = declaredOf(known)
      const ended = resolved_at ?? at
      if (ended < began_at) refuse('invalid', `it began at ${began_at}: it cannot have been over at ${ended}`, { path: 'resolved_at' })
      if (ended > at) refuse('invalid', `${ended} is still to come`, { path: 'resolved_at' })
      if (!known.resolved) return [fact.resolved({ incident: streamId, service, resolved_at: ended, by: actor })]
      if (resolved_at === undefined || known.resolved.resolved_at === ended) return []
      return refuse('wrong_phase', `it was resolved at ${known.resolved.resolved_at}`, { phase: phaseOf(known) })
    },
    attribute(known, attribution: Attribution, { actor, streamId }) {
      const { service } = declaredOf(known)
      const { artifact, deployment, cause, reason } = attribution
      if (cause === 'deployment' && !artifact && !deployment) {
        refuse('invalid', 'cause "deployment" needs the artifact or the deployment', {
          path: 'artifact',
          missing: ['artifact or deployment_id'],
        })
      }
      const was = known.attributed
      if (was && was.cause === cause && was.artifact === artifact && was.deployment === deployment && was.reason === reason) return []
      const named = { ...(artifact ? { artifact } : {}), ...(deployment ? { deployment } : {}) }
      const ended = known.resolved ? { resolved_at: known.resolved.resolved_at } : {}
      return [fact.attributed({ incident: streamId, service, cause, ...named, ...ended, reason, by: actor })]
    },
    review(known, { summary, follow_ups }: { summary: string; follow_ups: readonly FollowUp[] }, { actor, streamId }) {
      const { service } = declaredOf(known)
      if (!known.resolved)
        refuse('wrong_phase', 'it lasts: resolve it before reviewing it', { phase: phaseOf(known), missing: ['resolved_at'] })
      const ids = follow_ups.map(({ id }) => id)
      const twice = ids.find((id, index) => ids.indexOf(id) !== index)
      if (twice) refuse('invalid', `two follow-ups have the id ${twice}`, { path: 'follow_ups' })
      if (known.reviewed) refuse('wrong_phase', `it was reviewed by ${known.reviewed.by}`, { phase: 'reviewed' })
      return [fact.reviewed({ incident: streamId, service, summary, follow_ups: [...follow_ups], by: actor })]
    },
  },

  tells: {
    suspected: (known, { suspects }: { suspects: readonly Suspect[] }, { streamId }) =>
      JSON.stringify(known.suspects) === JSON.stringify(together(known.suspects, suspects))
        ? []
        : [fact.suspected({ incident: streamId, suspects: [...suspects] })],
  },

  evolve: {
    declared: (known, { incident: _, by, ...declaration }, { at }) => ({
      ...known,
      declared: earliest(known.declared, { ...declaration, at, by }),
    }),
    suspected: (known, { suspects }) => ({ ...known, suspects: together(known.suspects, suspects) }),
    acknowledged: (known, { by }, { at }) => ({ ...known, acknowledged: earliest(known.acknowledged, { at, by }) }),
    mitigated: (known, { by, note }, { at }) => ({ ...known, mitigated: earliest(known.mitigated, { at, by, note }) }),
    resolved: (known, { resolved_at, by }, { at }) => ({ ...known, resolved: earliest(known.resolved, { at, by, resolved_at }) }),
    attributed: (known, { cause, artifact, deployment, reason, by }, { at }) => ({
      ...known,
      attributed: latest(known.attributed, {
        at,
        by,
        cause,
        ...(artifact ? { artifact } : {}),
        ...(deployment ? { deployment } : {}),
        reason,
      }),
    }),
    reviewed: (known, { summary, follow_ups, by }, { at }) => ({
      ...known,
      reviewed: earliest(known.reviewed, { at, by, summary, follow_ups }),
    }),
  },

  phase: phaseOf,
  closed: ['reviewed'],
  keys: {
    service: ({ declared }) => (declared ? [declared.service] : []),
    where: ({ declared }) => (declared ? [whereKey(declared)] : []),
    signal: ({ declared }) => declared?.signals ?? [],
  },
  loops: ({ declared }) => declared?.requirements ?? [],
})
