import type { Contributor } from '@rondo/contracts/values'
import type { Instant } from '@rondo/kernel'
import type { Releases } from '@rondo/proto/releases'
import type { Found } from '@rondo/reaction'
import { artifactOf, type Deployment, environmentName, productionOf, revisionOf } from './deployment.ts'
import { attemptsOf, deploymentPhase, firstFailure, firstSuccess, rolledBackAt } from './deployment-history.ts'
import {
  type CountedDeployment,
  changeFailureRate,
  deploymentFrequency,
  type History,
  type Period,
  recoveryTime,
  withReturns,
} from './dora.ts'
import { contributorsOf, fourEyes, unknownInWords } from './four-eyes.ts'
import type { Handover } from './handover.ts'
import { responsible } from './handover.ts'
import type { IncidentNote } from './incident-note.ts'
import type { Release } from './release.ts'
import { contentsOf, lastVerdict } from './release-contents.ts'
import { approvalObstacles, releaseObstacles } from './release-rules.ts'

type Answer<Name extends keyof Releases> = Releases[Name]['response']

/** Each contributor once, as a person where that is known. */
export function contributorsAnswer(
  contributors: readonly Contributor[],
  persons: Readonly<Record<string, string>>,
  waived: Release['waived'],
) {
  return contributorsOf(contributors, persons).map(({ actor, roles, shown = '', known }) => ({
    actor,
    roles: [...roles],
    shown,
    known,
    waived_by: waived.find(({ identity }) => identity === actor)?.by ?? '',
  }))
}

/** Contributors that nobody identified, in words. */
export const unknownAnswer = (contributors: readonly Contributor[], persons: Readonly<Record<string, string>>): string[] =>
  fourEyes('nobody', contributors, { persons, waived: [] }).unknown.map(unknownInWords)

function notesOf({ notes, service }: Release, { requirements, changes }: ReturnType<typeof contentsOf>): string {
  if (notes) return notes
  const what = requirements.length > 0 ? requirements.join(', ') : 'no requirement is named'
  return `${service}: ${what} (${changes.length} ${changes.length === 1 ? 'change' : 'changes'})`
}

const reasonsOf = (obstacles: readonly { readonly reason: string }[]) => obstacles.map(({ reason }) => reason)

export function releaseAnswer({ id, state }: Found<Release>, now: Instant): NonNullable<Answer<'GetRelease'>['release']> {
  const contents = contentsOf(state)
  const waived = state.waived.filter(({ content_hash }) => content_hash === contents.content_hash)
  return {
    release_id: id,
    service: state.service,
    phase: state.step,
    ...contents,
    artifacts: [...state.artifacts],
    contributors: contributorsAnswer(contents.contributors, state.persons, waived),
    gates: state.artifacts.flatMap((artifact) => {
      const gate = lastVerdict(state, artifact)
      return gate
        ? [
            {
              artifact,
              verdict: gate.verdict,
              release_allowed: gate.release_allowed,
              allowed_until: gate.allowed_until ?? '',
              reasons: [...gate.reasons],
            },
          ]
        : []
    }),
    approvals: state.approvals.map(({ by, at, content_hash, voided }) => ({ by, at, content_hash, voided: voided?.reason ?? '' })),
    approval_obstacles: reasonsOf(approvalObstacles(state)),
    deployment_obstacles: reasonsOf(releaseObstacles(state, now)),
    denials: state.denials.map((one) => ({ ...one, reasons: [...one.reasons] })),
    notes: notesOf(state, contents),
    reason: state.reason,
  }
}

export function deploymentAnswer({ id, state }: Found<Deployment>): NonNullable<Answer<'GetDeployment'>['deployment']> {
  return {
    deployment_id: id,
    source: state.told.source?.value ?? '',
    service: state.service ?? '',
    environment: environmentName(state),
    production: productionOf(state),
    artifact: artifactOf(state) ?? '',
    revision: revisionOf(state) ?? '',
    phase: deploymentPhase(state.marks),
    attempts: attemptsOf(state.marks).map(({ attempt, started_at = '', finished_at = '', outcome = '' }) => ({
      attempt,
      started_at,
      finished_at,
      outcome,
    })),
    first_succeeded_at: firstSuccess(state.marks) ?? '',
    rolled_back_at: rolledBackAt(state.marks) ?? '',
    share: state.marks.at(-1)?.share ?? 0,
    violations: [...state.violations],
    incidents: Object.values(state.incidents).map(({ incident, decision, began_at = '', resolved_at = '' }) => ({
      incident_id: incident,
      decision,
      began_at,
      resolved_at,
    })),
    requirements: [...state.requirements],
    unmapped: state.service ? '' : (state.unmapped ?? ''),
  }
}

export function handoverAnswer(release_id: string, state: Handover): Answer<'GetHandover'> {
  const { step, service, from, to, by, reason } = state
  return { release_id, phase: step, service, from, to, by: step === 'offered' ? '' : by, reason, responsible: responsible(state) }
}

/** As the metrics count it: only what was caused counts against it. */
export function counted({ id, state }: Found<Deployment>): CountedDeployment {
  const caused = Object.values(state.incidents).filter(({ decision }) => decision === 'caused')
  return {
    id,
    artifact: artifactOf(state) ?? revisionOf(state),
    first_succeeded_at: firstSuccess(state.marks),
    failed_at: firstFailure(state.marks),
    rolled_back_at: rolledBackAt(state.marks),
    returned: state.marks.some(({ returned }) => returned),
    incidents: caused.map(({ incident, began_at, resolved_at }) => ({ id: incident, began_at, resolved_at })),
  }
}

export function historyOf(
  deployments: readonly Found<Deployment>[],
  incidents: readonly Found<IncidentNote>[],
  environment: string,
): History {
  const undecided = incidents.flatMap(({ id, state }) => {
    const here = state.environment === environment && (state.attribution?.cause ?? 'undecided') === 'undecided'
    return here && state.began_at ? [{ id, began_at: state.began_at }] : []
  })
  return { deployments: withReturns(deployments.map(counted)), undecided }
}

export function metricsAnswer(history: History, period: Period): Answer<'Metrics'> {
  const { percent, failed, ...rate } = changeFailureRate(history, period)
  const { median_seconds, spans, ...recovery } = recoveryTime(history, period)
  return {
    deployment_frequency: deploymentFrequency(history, period),
    change_lead_time: { reason: 'not computed so far: it needs the commits that each deployment was the first to ship' },
    change_failure_rate: {
      ...rate,
      ...(percent === null ? { reason: 'no deployment finished in the period' } : { percent, reason: '' }),
      failed: failed.map(({ id, rolled_back_at = '', incident_ids }) => ({ deployment_id: id, rolled_back_at, incident_ids })),
    },
    failed_deployment_recovery_time: {
      ...recovery,
      ...(median_seconds === null ? { reason: 'no failed deployment of the period has recovered' } : { median_seconds, reason: '' }),
      spans: spans.map(({ deployment, incidents, ...span }) => ({ ...span, deployment_id: deployment, incident_ids: [...incidents] })),
    },
    rework_rate: { reason: 'not computed so far: it needs the origin of the requirements that each deployment was the first to ship' },
  }
}
