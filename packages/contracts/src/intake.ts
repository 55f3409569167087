import { facts } from '@rondo/kernel'
import { z } from 'zod'
import {
  actor,
  contributor,
  count,
  digest,
  evidenceTarget,
  instant,
  name,
  outcome,
  personal,
  repository,
  sha,
  testCase,
  testCounts,
} from './values.ts'

/**
 * What was observed outside, in one vocabulary for all tools; the adapters write it on `rondo.intake.v1`.
 * `source` names the sender (a URI); with the envelope's id it makes the event known.
 */
export const change = facts('rondo.intake.change', {
  /** A commit. */
  observed: z.object({
    repository,
    sha,
    /** Absent where the sender does not tell (a push webhook): then they are unknown, not none. */
    parents: z.array(sha).optional(),
    /** Commits known to be reachable from this one although the parents are unknown (what one push carried, and its `before`). */
    reaches: z.array(sha).optional(),
    /** A shallow clone ends here: the parents are named but were not seen. */
    shallow: z.boolean().optional(),
    patch_id: z.string().optional(),
    message: z.string(),
    committed_at: instant,
    contributors: z.array(contributor),
    branch: z.string().optional(),
    url: z.string().optional(),
  }),
})

export const ref = facts('rondo.intake.ref', {
  observed: z.object({
    repository,
    name,
    kind: z.enum(['branch', 'tag']),
    /** The commit; absent when deleted. */
    target: sha.optional(),
    /** An annotated tag's own object: no commit. */
    object: sha.optional(),
    deleted: z.boolean(),
  }),
})

export const mergeRequest = facts('rondo.intake.merge_request', {
  observed: z.object({
    repository,
    number: z.number().int(),
    state: z.enum(['open', 'merged', 'closed']),
    title: z.string(),
    body: z.string().optional(),
    head: sha,
    base_branch: z.string(),
    merge_sha: sha.optional(),
    contributors: z.array(contributor),
    url: z.string().optional(),
  }),
})

export const build = facts('rondo.intake.build', {
  observed: z.object({
    source: name,
    build: name,
    kind: z.enum(['pipeline', 'task', 'build', 'check']),
    name: z.string(),
    attempt: z.number().int().positive(),
    phase: z.enum(['queued', 'started', 'finished']),
    outcome: outcome.optional(),
    repository: repository.optional(),
    revision: sha.optional(),
    branch: z.string().optional(),
    url: z.string().optional(),
  }),
})

export const testRun = facts('rondo.intake.test_run', {
  observed: z.object({
    source: name,
    run: name,
    kind: z.enum(['suite', 'case']),
    phase: z.enum(['queued', 'started', 'finished', 'skipped']),
    outcome: outcome.optional(),
    suite: z.string().optional(),
    environment: z.string().optional(),
    artifact: digest.optional(),
  }),
})

export const artifact = facts('rondo.intake.artifact', {
  observed: z.object({
    source: name,
    digest,
    /** A package URL without version: `pkg:oci/shop`. */
    name,
    version: z.string().optional(),
    phase: z.enum(['packaged', 'signed', 'published', 'downloaded', 'deleted']),
    repository: repository.optional(),
    revision: sha.optional(),
    build: name.optional(),
    sbom_uri: z.string().optional(),
  }),
})

export const evidence = facts('rondo.intake.evidence', {
  tests_reported: evidenceTarget.extend({
    /** Hash of the bytes: the same report sent twice counts once. */
    report: name,
    format: z.literal('junit'),
    suites: z.array(z.object({ path: z.array(z.string()), tests: count })),
    counts: testCounts,
    cases: z.array(testCase),
  }),
  coverage_reported: evidenceTarget.extend({ report: name, format: z.string(), lines_covered: count, lines_total: count }),
  /** A newer report that could not be read stands beside the older one that it leaves in force. */
  refused: evidenceTarget.extend({ report: name, reason: z.string() }),
})

export const deployment = facts('rondo.intake.deployment', {
  observed: z.object({
    source: name,
    deployment: name,
    /** The sender's word, where it has one; else found by repository or artifact. */
    service: name.optional(),
    repository: repository.optional(),
    environment: name,
    artifact: digest.optional(),
    artifact_name: z.string().optional(),
    revision: sha.optional(),
    state: z.enum(['queued', 'started', 'succeeded', 'failed', 'rolled_back', 'inactive', 'removed']),
    /** Where the sender counts its tries; absent: told apart by time. */
    attempt: z.number().int().positive().optional(),
    /** With "removed": not one deployment but the service left the environment, whatever ran of it there. */
    whole_service: z.boolean().optional(),
    /** With "succeeded": no new deployment, but a return to this artifact; what ran before was rolled back. */
    returned: z.boolean().optional(),
    /** Of the traffic, 0 to 1; absent: all. */
    share: z.number().min(0).max(1).optional(),
    url: z.string().optional(),
  }),
})

export const alert = facts('rondo.intake.alert', {
  observed: z.object({
    /** The replica that speaks (Alertmanager's externalURL). */
    source: name,
    fingerprint: name,
    status: z.enum(['firing', 'resolved']),
    starts_at: instant,
    ends_at: instant.optional(),
    /** When the word was heard: a sender repeats itself, and each repetition is a sign of life. */
    heard_at: instant.optional(),
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
    group_key: z.string().optional(),
    url: z.string().optional(),
  }),
  /** The sender left alerts out of a group (`truncatedAlerts`). */
  cut: z.object({
    source: name,
    group_key: z.string(),
    group_labels: z.record(z.string(), z.string()),
    status: z.enum(['firing', 'resolved']),
    listed: z.array(z.string()),
    left_out: count,
  }),
})

export const errors = facts('rondo.intake.errors', {
  /** Errors of one class and the requests served meanwhile, counted by whoever serves them; zero events is a report too. */
  reported: z.object({
    source: name,
    service: name,
    environment: name,
    artifact: digest.optional(),
    /** The error class; with the service it makes the problem. */
    error_class: name,
    title: z.string().optional(),
    from: instant,
    to: instant,
    events: count,
    requests: count,
    event_ids: z.array(z.string()).max(1000).optional(),
  }),
})

export const issue = facts('rondo.intake.issue', {
  observed: z.object({
    repository,
    number: z.number().int(),
    state: z.enum(['open', 'closed']),
    title: z.string(),
    body: personal(z.string()).optional(),
    reporter: actor,
    labels: z.array(z.string()),
    url: z.string().optional(),
  }),
  commented: z.object({
    repository,
    number: z.number().int(),
    comment: name,
    body: personal(z.string()),
    author: actor,
    url: z.string().optional(),
  }),
})

/** A platform's own release page: names a tag, approves nothing. */
export const release = facts('rondo.intake.release', {
  observed: z.object({
    repository,
    tag: name,
    state: z.enum(['draft', 'prerelease', 'published', 'deleted']),
    title: z.string().optional(),
    url: z.string().optional(),
  }),
})

export const item = facts('rondo.intake.item', {
  /** One member of a delivery that could not be read; the rest went on. */
  refused: z.object({ source: name, delivery: name, code: z.string(), path: z.string(), reason: z.string(), raw: personal(z.string()) }),
})
