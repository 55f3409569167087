import { facts } from '@rondo/kernel'
import { z } from 'zod'
import { actor, count, digest, instant, name, sha } from './values.ts'

export const proofTerms = z.object({
  /** defect: one event from a fixed artifact is a regression. rate: the test decides. */
  kind: z.enum(['defect', 'rate']),
  target_ratio: z.number().positive().max(1),
  deadline_days: z.number().positive(),
})
export const service = facts('rondo.operations.service', {
  put: z.object({
    service: name,
    owner: name,
    tier: z.string().optional(),
    runbook: z.string().optional(),
    objective: z.string().optional(),
    /** `example/shop`. */
    repositories: z.array(name),
    /** Package URLs without version: `pkg:oci/shop`. */
    artifacts: z.array(name),
    /** An alert with all of these labels is the service's. */
    alert_labels: z.record(z.string(), z.string()),
    /** The label that names the environment, and what holds without it. */
    environment_label: z.string(),
    default_environment: name,
    /** Labels that make a problem beside service and alert name. */
    problem_labels: z.array(z.string()),
    proof: proofTerms,
    by: actor,
  }),
  owner_changed: z.object({ service: name, owner: name, since: instant, accepted_by: actor, release: name.optional() }),
})

const unmappedKind = z.enum(['alert', 'repository', 'artifact', 'deployment'])
/** What one replica of a sender says about an alert, and when it said so. */
export const alertWord = z.object({
  source: name,
  fingerprint: name,
  status: z.enum(['firing', 'resolved']),
  starts_at: instant,
  ends_at: instant.optional(),
  labels: z.record(z.string(), z.string()),
  title: z.string(),
  group_key: z.string().optional(),
  said_at: instant,
})
export type AlertWord = z.infer<typeof alertWord>
export const unmapped = facts('rondo.operations.unmapped', {
  /** An alert is kept with what was said, so that mapping it loses nothing. */
  seen: z.object({ kind: unmappedKind, name, reason: z.string(), alert: alertWord.optional() }),
  mapped: z.object({ kind: unmappedKind, name, service: name, by: actor }),
})

export const source = facts('rondo.operations.source', {
  /** That it lives: when what it told of happened, or (`heard_at`) when it told it. */
  seen: z.object({ source: name, kind: z.string(), heard_at: instant.optional() }),
  /** It left alerts out of a group; `listed` are the fingerprints that it did name. */
  cut: z.object({
    source: name,
    group_key: z.string(),
    status: z.enum(['firing', 'resolved']),
    listed: z.array(z.string()),
    left_out: count,
  }),
})

const signalKind = z.enum(['alert', 'errors'])
const place = { service: name, environment: name, problem: name }
const described = { ...place, kind: signalKind.optional(), fingerprint: name.optional(), title: name.optional() }
/** Who said it, when (absent: when the fact occurred) and in which group. */
const word = { source: name, episode: instant, said_at: instant.optional(), group_key: z.string().optional() }
export const signal = facts('rondo.operations.signal', {
  opened: z.object({ ...place, signal: name, kind: signalKind, fingerprint: name, title: name, ...word, artifact: digest.optional() }),
  /** A further episode (alerts), or more events (errors). */
  observed: z.object({ ...described, signal: name, title: name, ...word, artifact: digest.optional() }),
  /** A replica says again, or late, that a known episode fires or (with `ended_at`) is over: no news for anybody else. */
  repeated: z.object({ ...described, signal: name, ...word, ended_at: instant.optional() }),
  /** A replica says that it is over, or a proof has shown it (its source is `proof:<id>`). */
  cleared: z.object({ ...described, signal: name, ...word, ended_at: instant }),
  /** A replica took back its own "resolved": no recovery is counted. */
  end_withdrawn: z.object({ ...described, signal: name, ...word }),
  /** `unsure_since`: this source reported its group as over in a message that left it out. */
  noted: z.object({ signal: name, note: z.string(), source: name.optional(), unsure_since: instant.optional() }),
  requirement_linked: z.object({ signal: name, requirement: name }),
  requirement_unlinked: z.object({ signal: name, requirement: name }),
  release_marked: z.object({ signal: name, deployment: name, artifact: digest, at: instant }),
})

export const traffic = facts('rondo.operations.traffic', {
  /** One report: integers over a span, by artifact. */
  reported: z.object({
    ...place,
    source: name,
    artifact: digest.optional(),
    from: instant,
    to: instant,
    events: count,
    requests: count,
    event_ids: z.array(z.string()).max(1000),
    title: z.string().optional(),
  }),
})

export const running = facts('rondo.operations.running', {
  /** What runs where, from builds' placement: the base of suspects and proofs. */
  changed: z.object({
    service: name,
    environment: name,
    artifact: digest,
    revision: sha.optional(),
    deployment: name,
    since: instant,
    share: z.number(),
    contains: z.array(z.string()),
    entered: z.array(z.string()),
    left: z.array(z.string()),
    changes_entered: z.array(sha),
    /** Counts up at the origin: of two tellings of one step the higher one is the newer, whichever arrives last. */
    told: count,
  }),
})

export const suspect = z.object({ deployment: name, artifact: digest, at: instant, changes: z.array(sha), reason: z.string() })
export const incident = facts('rondo.operations.incident', {
  declared: z.object({
    incident: name,
    service: name,
    severity: z.enum(['critical', 'high', 'medium', 'low']),
    title: name,
    began_at: instant,
    /** Fingerprint-based ids of the signals it is about: then it raises no second requirement. */
    signals: z.array(z.string()),
    problem: z.string().optional(),
    /** Those that gather its signals. */
    requirements: z.array(z.string()).optional(),
    environment: name,
    owner: z.string(),
    runbook: z.string().optional(),
    by: actor,
  }),
  suspected: z.object({ incident: name, suspects: z.array(suspect) }),
  acknowledged: z.object({ incident: name, by: actor }),
  mitigated: z.object({ incident: name, by: actor, note: z.string() }),
  resolved: z.object({ incident: name, service: name, resolved_at: instant, by: actor }),
  attributed: z.object({
    incident: name,
    service: name,
    cause: z.enum(['deployment', 'not_a_deployment', 'undecided']),
    artifact: digest.optional(),
    deployment: name.optional(),
    reason: name,
    by: actor,
    resolved_at: instant.optional(),
  }),
  reviewed: z.object({
    incident: name,
    service: name,
    summary: z.string(),
    follow_ups: z.array(z.object({ id: name, title: name })),
    by: actor,
  }),
})

const counts = z.object({
  events: count,
  exposure: z.number().nonnegative(),
  unit: z.enum(['requests', 'hours']),
  from: instant,
  to: instant,
  event_ids: z.array(z.string()).max(1000),
})
export const proof = facts('rondo.operations.proof', {
  opened: z.object({
    proof: name,
    requirement: name,
    ...place,
    signals: z.array(name),
    terms: proofTerms,
    artifact: digest,
    clock_started_at: instant,
    deadline_at: instant,
    /** Frozen here. */
    before: counts,
  }),
  /** An artifact with the fix serves (again). */
  entered: z.object({ proof: name, artifact: digest, at: instant }),
  /** None does: exposure rests. */
  left: z.object({ proof: name, artifact: digest, at: instant }),
  judged: z.object({
    proof: name,
    requirement: name,
    service: name,
    verdict: z.enum(['verified', 'regressed', 'inconclusive', 'error']),
    reason: z.string(),
    before: counts,
    after: counts,
    /** Upper one-sided 95 % bound of the ratio of rates; null where there is none. */
    bound: z.number().nullable(),
    target_ratio: z.number(),
    artifacts: z.array(digest),
    /** How it was counted, so that anybody can count again. */
    query: z.string(),
  }),
  /** After "verified", from an artifact with the fix. */
  recurred: z.object({ proof: name, requirement: name, service: name, signal: name, artifact: digest.optional(), at: instant }),
  /** Its deadline came: it is judged by what is known. */
  due: z.object({ proof: name, deadline_at: instant }),
  /** A change implements the requirement: where it enters, a new attempt begins once this one has failed. */
  fix_named: z.object({ proof: name, requirement: name, sha }),
  extended: z.object({ proof: name, deadline_at: instant, by: actor, reason: name }),
  /** A person says that an event has another cause. */
  attributed: z.object({ proof: name, event: name, reason: name, by: actor }),
})
