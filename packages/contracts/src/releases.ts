import { facts, versions } from '@rondo/kernel'
import { z } from 'zod'
import { contents } from './builds.ts'
import { actor, contributor, count, digest, instant, name, sha, verdict } from './values.ts'

/** Counts up within the stream at the origin: of two tellings the higher one is the newer, whichever arrives last. */
const told = z.number().int().positive()

export const releaseContents = z.object({
  artifacts: z.array(digest).min(1),
  requirements: z.array(z.string()),
  changes: z.array(sha).max(1000),
  contributors: z.array(contributor),
  policy_hash: z.string(),
  /** Over artifact digests, requirement ids and policy hash: what an approval binds to. */
  content_hash: name,
  missing: z.array(z.string()),
})
/** What `builds` said of one artifact. */
export const part = contents.extend({ artifact: digest, told })
export const gateSeen = z.object({
  artifact: digest,
  verdict,
  release_allowed: z.boolean(),
  allowed_until: instant.optional(),
  policy_hash: name,
  inputs_hash: name,
  reasons: z.array(z.string()),
  told,
})
export const release = facts('rondo.releases.release', {
  created: z.object({ service: name, artifacts: z.array(digest).min(1), by: actor, notes: z.string().optional() }),
  /** Of one artifact of the release; the whole stands in `contents_set`. */
  part_seen: part,
  policy_seen: z.object({ policy_hash: name, told }),
  contents_set: releaseContents,
  gate_seen: gateSeen,
  /** Contributors that were unmapped until now. */
  persons_mapped: z.object({ persons: z.array(z.object({ identity: actor, person: actor })).min(1) }),
  /** Somebody who may approve vouches for a contributor that nobody can identify. */
  contributor_waived: z.object({ identity: actor, by: actor, reason: name, content_hash: name }),
  approval_requested: z.object({ by: actor, content_hash: name }),
  approved: z.object({ by: actor, content_hash: name }),
  refused: z.object({ by: actor, reason: name }),
  /** An approval that no longer holds, and why. */
  voided: z.object({ content_hash: name, reason: name }),
  withdrawn: z.object({ by: actor, reason: z.string() }),
  /** Somebody tried what the rules do not allow. */
  denied: z.object({
    what: z.enum(['approve', 'waive', 'deploy']),
    by: actor,
    code: name,
    reasons: z.array(z.string()).min(1),
    environment: z.string().optional(),
  }),
  deployment_allowed: z.object({ environment: name, production: z.boolean(), by: actor, content_hash: name, deployment: name }),
})

/** Who and what a deployment is about, where all of it is known. `at` is when it happened: the envelope's time may be that of a mapping that came later. */
const deployed = z.object({
  deployment: name,
  service: name,
  environment: name,
  production: z.boolean(),
  artifact: digest,
  revision: sha.optional(),
  release: name.optional(),
  at: instant,
})
export const deployment = facts('rondo.releases.deployment', {
  /** As told by whoever deploys; each state once, the time is the envelope's. */
  observed: z.object({
    /** This stream's id: source and the sender's id. */
    deployment: name,
    source: name,
    /** The sender's own id. */
    external: name,
    service: name.optional(),
    repository: name.optional(),
    environment: name,
    artifact: digest.optional(),
    artifact_name: z.string().optional(),
    revision: sha.optional(),
    state: z.enum(['queued', 'started', 'succeeded', 'failed', 'rolled_back', 'inactive', 'removed']),
    attempt: z.number().int().positive().optional(),
    /** With "removed": not this deployment but the service left the environment. */
    whole_service: z.boolean().optional(),
    /** With "succeeded": no new deployment, but a return to this artifact; what ran before was rolled back. */
    returned: z.boolean().optional(),
    /** Of the traffic, 0 to 1. */
    share: z.number().min(0).max(1),
    url: z.string().optional(),
  }),
  /** What was found out about it since. */
  resolved: z.object({
    deployment: name,
    service: name.optional(),
    artifact: digest.optional(),
    revision: sha.optional(),
    production: z.boolean(),
    release: name.optional(),
    /** Requirements in the artifact, and which telling of its contents named them. */
    requirements: z.array(z.string()),
    told: count,
  }),
  /** It runs from here on: the first success, another share of the traffic, or again after a roll-back. */
  succeeded: deployed.extend({ share: z.number() }),
  /** Does not run any more: rolled back. */
  rolled_back: deployed,
  /**
   * Does not run any more: removed, with nothing in its place. Without an artifact: the service left the environment, whatever ran
   * of it there; version 1 could not say that.
   */
  removed: versions(deployed, [deployed.partial({ artifact: true }), (one) => one]),
  failed: z.object({
    deployment: name,
    service: name.optional(),
    environment: name,
    production: z.boolean(),
    artifact: digest.optional(),
    at: instant,
  }),
  /** It reached users without a valid approval; reality is recorded, never refused. */
  violated: z.object({
    deployment: name,
    service: name,
    environment: name,
    artifact: digest,
    reasons: z.array(z.string()).min(1),
    at: instant,
  }),
  /** What is known of an incident and this deployment; `told` counts the tellings. */
  incident_linked: z.object({
    incident: name,
    began_at: instant.optional(),
    resolved_at: instant.optional(),
    decision: z.enum(['caused', 'not_caused', 'undecided']),
    told,
  }),
  unmapped: z.object({ deployment: name, name, reason: z.string() }),
})

export const environment = facts('rondo.releases.environment', {
  put: z.object({
    environment: name,
    production: z.boolean(),
    rank: z.number().int(),
    frozen_from: instant.optional(),
    frozen_until: instant.optional(),
    deployers: z.array(actor),
    by: actor,
  }),
})

export const handover = facts('rondo.releases.handover', {
  offered: z.object({
    release: name,
    service: name,
    from: name,
    to: name,
    by: actor,
    runbook: z.string().optional(),
    requirements: z.array(z.string()),
  }),
  accepted: z.object({ release: name, service: name, team: name, by: actor }),
  declined: z.object({ release: name, service: name, by: actor, reason: name }),
})

/** What other services said, kept because a fact of ours must meet it: these are notes, the truth is theirs. */
export const artifactNote = facts('rondo.releases.artifact', {
  observed: z.object({
    artifact: digest,
    name: z.string(),
    phase: z.enum(['packaged', 'signed', 'published', 'downloaded', 'deleted']),
    revision: sha.optional(),
  }),
  mapped: z.object({ artifact: digest, service: name, told }),
  contained: part,
  gated: gateSeen.extend({ service: name }),
})
export const changeNote = facts('rondo.releases.change', {
  contributed: z.object({ sha, contributors: z.array(contributor) }),
})
export const identityNote = facts('rondo.releases.identity', { mapped: z.object({ identity: actor, person: actor }) })
export const serviceNote = facts('rondo.releases.service', {
  mapped: z.object({
    service: name,
    owner: name,
    runbook: z.string().optional(),
    repositories: z.array(name),
    artifacts: z.array(name),
    told,
  }),
  policy: z.object({ service: name, policy_hash: name, told }),
})
export const incidentNote = facts('rondo.releases.incident', {
  declared: z.object({ incident: name, service: name, environment: name, began_at: instant }),
  attributed: z.object({
    incident: name,
    service: name,
    cause: z.enum(['deployment', 'not_a_deployment', 'undecided']),
    artifact: digest.optional(),
    deployment: name.optional(),
    told,
  }),
  resolved: z.object({ incident: name, service: name, resolved_at: instant, told }),
  /** A deployment that it may have come from. */
  candidate: z.object({
    incident: name,
    deployment: name,
    external: name.optional(),
    service: name.optional(),
    environment: name,
    artifact: digest.optional(),
    seen_at: instant,
    succeeded_at: instant.optional(),
  }),
})
