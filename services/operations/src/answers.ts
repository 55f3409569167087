import type { Instant } from '@rondo/kernel'
import type * as proto from '@rondo/proto/operations'
import type { Found } from '@rondo/reaction'
import { type Episode, endOf, endWithdrawn, withdrawn } from './episodes.ts'
import { type Counts, evidenceOf, type Material } from './evidence.ts'
import { type Incident, phaseOf as incidentPhase } from './incident.ts'
import { countsOf, deadlineOf, type Proof, phaseOf as proofPhase, questionOf, standing } from './proof.ts'
import { type Running, runningAt } from './running.ts'
import { type Catalogued, type Entry, type Owner, ownerAt, owners } from './service-entry.ts'
import { requirementOf, type Signal, phaseOf as signalPhase } from './signal.ts'
import { advice, leftOut, type Source } from './source.ts'
import { type Unmapped, phaseOf as unmappedPhase } from './unmapped.ts'
import { type Answer, answer, reasons } from './verdict.ts'

/** What the streams hold, as the proto says it. */

const list = <T>(items: readonly T[]): T[] => [...items]

export const ownerMessage = ({ owner, since, accepted_by, release }: Owner): proto.Owner => ({
  owner,
  since,
  accepted_by,
  release_id: release,
})

export const entryMessage = (service: string, entry: Entry, known: Catalogued, now: Instant): proto.CatalogEntry => ({
  service,
  owner: ownerAt(known, now)?.owner ?? entry.owner,
  tier: entry.tier ?? '',
  runbook: entry.runbook ?? '',
  objective: entry.objective ?? '',
  repositories: list(entry.repositories),
  artifacts: list(entry.artifacts),
  alert_labels: { ...entry.alert_labels },
  environment_label: entry.environment_label,
  default_environment: entry.default_environment,
  problem_labels: list(entry.problem_labels),
  proof: { ...entry.proof },
  owners: owners(known).map(ownerMessage),
})

export const unmappedMessage = ({ id, state }: Found<Unmapped>): proto.UnmappedThing => ({
  unmapped_id: id,
  kind: state.kind ?? '',
  name: state.name ?? '',
  reason: state.reason ?? '',
  first_seen_at: state.first_at ?? '',
  last_seen_at: state.last_at ?? '',
  phase: unmappedPhase(state),
  service: state.service ?? '',
})

export function sourceMessage({ id, state }: Found<Source>): proto.SourceEntry {
  const { messages, alerts } = leftOut(state)
  return {
    source: id,
    kind: state.kind ?? '',
    first_heard_at: state.alive[0]?.from ?? '',
    last_heard_at: state.alive.at(-1)?.to ?? '',
    cut_messages: String(messages),
    alerts_left_out: String(alerts),
    advice: messages > 0 ? advice : '',
    cuts: state.cuts.map(({ group_key, at, status, left_out }) => ({ group_key, at, status, left_out: String(left_out) })),
  }
}

const episodeMessage = (episode: Episode): proto.Episode => ({
  started_at: episode.started_at,
  ended_at: endOf(episode) ?? '',
  end_withdrawn: endWithdrawn(episode),
  artifact: episode.artifact ?? '',
  words: Object.entries(episode.sources).map(([source, said]) => {
    const over = said.resolved && !withdrawn(said)
    return {
      source,
      status: over ? 'resolved' : 'firing',
      said_at: (over ? said.resolved?.at : said.firing) ?? '',
      ended_at: over ? (said.resolved?.ended_at ?? '') : '',
      withdrawn: withdrawn(said),
    }
  }),
})

export function signalMessage({ id, state }: Found<Signal>): proto.SignalEntry {
  const { about, episodes, notes, marks } = state
  const last = episodes.at(-1)
  return {
    signal_id: id,
    service: about?.service ?? '',
    environment: about?.environment ?? '',
    problem: about?.problem ?? '',
    kind: about?.kind ?? '',
    fingerprint: about?.fingerprint ?? '',
    title: about?.title ?? '',
    phase: signalPhase(state),
    first_seen_at: state.first_at ?? '',
    last_seen_at: state.last_at ?? '',
    ended_at: (last && endOf(last)) ?? '',
    episode_count: String(episodes.length),
    episodes: episodes.map(episodeMessage),
    requirement_id: requirementOf(state) ?? '',
    notes: notes.map(({ at, text }) => ({ at, text })),
    release_marks: marks.map(({ deployment, artifact, at }) => ({ deployment_id: deployment, artifact, at })),
  }
}

function timeline({ declared, acknowledged, mitigated, resolved, attributed, reviewed }: Incident): proto.TimelineEntry[] {
  const steps = [
    declared && { what: 'declared', text: declared.title, ...declared },
    acknowledged && { what: 'acknowledged', text: '', ...acknowledged },
    mitigated && { what: 'mitigated', text: mitigated.note, ...mitigated },
    resolved && { what: 'resolved', text: `over at ${resolved.resolved_at}`, ...resolved },
    attributed && { what: 'attributed', text: `${attributed.cause}: ${attributed.reason}`, ...attributed },
    reviewed && { what: 'reviewed', text: reviewed.summary, ...reviewed },
  ]
  return steps
    .filter((step) => step !== undefined)
    .map(({ at, what, by, text }) => ({ at, what, by, text }))
    .sort((a, b) => (a.at < b.at ? -1 : 1))
}

const followUps = ({ reviewed }: Incident): proto.FollowUp[] =>
  (reviewed?.follow_ups ?? []).map(({ id, title }) => ({ follow_up_id: id, title }))

export function incidentMessage({ id, state }: Found<Incident>, ownerNow: string): proto.IncidentEntry {
  const { declared, resolved, attributed, reviewed, suspects } = state
  return {
    incident_id: id,
    service: declared?.service ?? '',
    environment: declared?.environment ?? '',
    severity: declared?.severity ?? '',
    title: declared?.title ?? '',
    phase: incidentPhase(state),
    began_at: declared?.began_at ?? '',
    resolved_at: resolved?.resolved_at ?? '',
    owner: declared?.owner ?? '',
    runbook: declared?.runbook ?? '',
    signal_ids: list(declared?.signals ?? []),
    suspects: suspects.map(({ deployment, artifact, at, changes, reason }) => ({
      deployment_id: deployment,
      artifact,
      at,
      changes: list(changes),
      reason,
    })),
    cause: attributed?.cause ?? '',
    cause_artifact: attributed?.artifact ?? '',
    cause_deployment_id: attributed?.deployment ?? '',
    cause_reason: attributed?.reason ?? '',
    summary: reviewed?.summary ?? '',
    follow_ups: followUps(state),
    timeline: timeline(state),
    owner_now: ownerNow,
  }
}

const countsMessage = ({
  events,
  exposure,
  unit,
  from,
  to,
  event_ids,
}: Omit<Counts, 'event_ids'> & { event_ids: readonly string[] }): proto.Counts => ({
  events: String(events),
  exposure,
  unit,
  from,
  to,
  event_ids: list(event_ids),
})

type Numbers = Pick<proto.ProofEntry, 'after' | 'bound' | 'level' | 'needed_further_exposure' | 'reason' | 'noted_events'>

function numbers(given: Answer, after: proto.Counts, noted: number): Numbers {
  const { bound, level, needed_further_exposure: needed, reason } = given
  return {
    after,
    level,
    reason: reasons[reason],
    noted_events: String(noted),
    ...(bound === null ? {} : { bound }),
    ...(needed === null ? {} : { needed_further_exposure: needed }),
  }
}

/** As it is now: what still counts is counted anew, what was judged stays as it was judged. */
function counted(state: Proof, material: Material | undefined): Numbers {
  const judged = standing(state)
  const nothing = { after: null, reason: '', noted_events: '0' }
  if (judged) {
    const { after, bound, reason } = judged
    const noted = material ? evidenceOf(material).noted : 0
    return { after: countsMessage(after), reason, noted_events: String(noted), ...(bound === null ? {} : { bound }) }
  }
  if (!material || !state.opened) return nothing
  const evidence = evidenceOf(material)
  const question = questionOf(state, evidence.asked_at, evidence.steps)
  return question ? numbers(answer(question), countsMessage(countsOf(state.opened, evidence, material.clock)), evidence.noted) : nothing
}

export function proofMessage({ id, state }: Found<Proof>, material: Material | undefined): proto.ProofEntry {
  const { opened, artifacts, clock_started_at, recurred } = state
  const judged = standing(state)
  return {
    proof_id: id,
    requirement_id: opened?.requirement ?? '',
    service: opened?.service ?? '',
    environment: opened?.environment ?? '',
    problem: opened?.problem ?? '',
    signal_ids: list(opened?.signals ?? []),
    terms: opened ? { ...opened.terms } : null,
    phase: proofPhase(state),
    clock_started_at: clock_started_at ?? '',
    deadline_at: deadlineOf(state) ?? '',
    artifacts: list(judged?.artifacts ?? artifacts),
    before: opened ? countsMessage(opened.before) : null,
    verdict: judged?.verdict ?? '',
    query: judged?.query ?? '',
    recurred_at: recurred?.at ?? '',
    ...counted(state, material),
  }
}

export const runningMessages = (known: Running, now: Instant): proto.RunningArtifact[] =>
  runningAt(known, now).map(({ placement: { artifact, revision, deployment, since, contains }, share }) => ({
    environment: known.environment ?? '',
    artifact,
    revision: revision ?? '',
    deployment_id: deployment,
    since,
    share,
    requirement_ids: list(contains),
  }))
