import { facts, versions } from '@rondo/kernel'
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
  repository,
  sha,
  testCase,
  testCounts,
  verdict,
} from './values.ts'

/** How much was known when something was computed: a larger one has seen all that a smaller one has. */
const basis = count

export const repositoryFacts = facts('rondo.builds.repository', {
  /** Seen under this name; a known id under a new name is a rename. */
  seen: z.object({ repository_id: name, repository }),
  ref_moved: z.object({ name, kind: z.enum(['branch', 'tag']), target: sha.optional(), object: sha.optional(), deleted: z.boolean() }),
  /** A person's word: it stands over the catalog's. */
  assigned: z.object({ service: name, by: actor }),
  mapped: z.object({ repository_id: name, repository, service: name, basis }),
  /** Belongs to no service, or its name belongs to another repository: a person must say. */
  unmapped: z.object({ repository_id: name, repository, reason: z.string(), basis }),
})

export const catalog = facts('rondo.builds.catalog', {
  /** What the catalog says of a service's repositories and artifacts. */
  copied: z.object({ service: name, repositories: z.array(name), artifacts: z.array(name) }),
})

export const identity = facts('rondo.builds.identity', {
  /** An actor that was `unmapped:<hash>` is this person. */
  mapped: z.object({ identity: actor, person: actor }),
})

export const change = facts('rondo.builds.change', {
  recorded: z.object({
    repository,
    repository_id: name,
    sha,
    parents: z.array(sha).optional(),
    reaches: z.array(sha),
    shallow: z.boolean(),
    patch_id: z.string().optional(),
    subject: z.string(),
    committed_at: instant,
    contributors: z.array(contributor),
    /** Requirement ids: implemented by a trailer or closing word, or merely mentioned. */
    implements: z.array(z.string()),
    mentions: z.array(z.string()),
    reverts: z.array(z.string()),
    picked_from: z.array(z.string()),
  }),
  /** From a merge request: more people, more references. */
  merge_request: z.object({
    sha,
    number: z.number().int(),
    state: z.enum(['open', 'merged', 'closed']),
    title: z.string(),
    head: sha,
    merge_sha: sha.optional(),
    contributors: z.array(contributor),
    implements: z.array(z.string()),
    mentions: z.array(z.string()),
    repository,
    repository_id: name,
  }),
})

export const build = facts('rondo.builds.build', {
  observed: z.object({
    source: name,
    build: name,
    kind: z.string(),
    name: z.string(),
    attempt: z.number().int().positive(),
    phase: z.enum(['queued', 'started', 'finished']),
    outcome: outcome.optional(),
    revision: sha.optional(),
    branch: z.string().optional(),
    repository: repository.optional(),
    repository_id: name.optional(),
    url: z.string().optional(),
  }),
})

export const testRun = facts('rondo.builds.test_run', {
  observed: z.object({
    source: name,
    run: name,
    kind: z.enum(['suite', 'case']),
    phase: z.enum(['queued', 'started', 'finished', 'skipped']),
    outcome: outcome.optional(),
    suite: z.string().optional(),
    artifact: digest.optional(),
  }),
})

/** What an artifact contains, relative to what production ran when it was computed. */
export const contents = z.object({
  service: name,
  revision: sha,
  /** New commits, newest first, at most 1000; `more` counts the rest. */
  changes: z.array(sha).max(1000),
  more: count,
  requirements: z.array(z.string()),
  contributors: z.array(contributor),
  /** Commits that had to be known and are not: then the contents are incomplete. */
  missing: z.array(z.string()),
  /** What production ran at the artifact's own time; absent: nothing did, all is new. */
  baseline_artifact: digest.optional(),
})
export type Contents = z.infer<typeof contents>

export const artifact = facts('rondo.builds.artifact', {
  observed: z.object({
    digest,
    name,
    version: z.string().optional(),
    phase: z.enum(['packaged', 'signed', 'published', 'downloaded', 'deleted']),
    source: name,
    revision: sha.optional(),
    repository: repository.optional(),
    repository_id: name.optional(),
    build: name.optional(),
  }),
  /** Told again when the commit graph has learned more. */
  contained: contents.extend({ digest, basis: basis.optional() }),
  mapped: z.object({ digest, service: name, basis }),
  unmapped: z.object({ digest, name, reason: z.string(), basis }),
})

export const evidence = facts('rondo.builds.evidence', {
  tests_attached: evidenceTarget.extend({
    report: name,
    suites: z.array(z.object({ path: z.array(z.string()), tests: count })),
    counts: testCounts,
    cases: z.array(testCase),
  }),
  coverage_attached: evidenceTarget.extend({ report: name, format: z.string(), lines_covered: count, lines_total: count }),
  test_run_attached: evidenceTarget.extend({ source: name, run: name, outcome }),
  refused: evidenceTarget.extend({ report: name, reason: z.string() }),
})

export const policy = facts('rondo.builds.policy', {
  put: z.object({ service: name, yaml: z.string(), hash: name, by: actor }),
})

export const criterionResult = z.object({
  id: name,
  status: z.enum(['pass', 'warn', 'fail', 'info', 'missing', 'no_baseline']),
  value: z.number().nullable(),
  /** As written in the policy, e.g. `>=80`. */
  threshold: z.string(),
  baseline: z.number().nullable(),
  weight: z.number(),
  key: z.boolean(),
  reason: z.string(),
  waived_by: actor.optional(),
})
export const gate = facts('rondo.builds.gate', {
  /** Bound to the digest and to the hashes of policy and inputs; a later input gives a new one. */
  decided: z.object({
    artifact: digest,
    service: name,
    verdict,
    /** 0 to 100; null where nothing could be judged. */
    score: z.number().nullable(),
    criteria: z.array(criterionResult),
    policy_hash: name,
    inputs_hash: name,
    release_allowed: z.boolean(),
    /** The earliest end of a waiver that it rests on. */
    allowed_until: instant.optional(),
    reasons: z.array(z.string()),
    requirements: z.array(z.string()),
    revision: sha.optional(),
    /** Reports and test runs behind the numbers. */
    evidence: z.array(z.string()).optional(),
    /** When the last of its inputs happened: the decision's own time, whenever it was made. */
    inputs_at: instant.optional(),
    basis: basis.optional(),
  }),
  waived: z.object({ artifact: digest, criterion: name, by: actor, reason: name, until: instant }),
})

const deployedV1 = z.object({
  service: name,
  environment: name,
  production: z.boolean(),
  deployment: name,
  artifact: digest,
  revision: sha.optional(),
  share: z.number(),
  outcome: z.enum(['succeeded', 'rolled_back', 'removed']),
  /** When it happened; the envelope's time may be that of a mapping that came later. */
  at: instant,
})

export const placement = facts('rondo.builds.placement', {
  /** What runs, and which changes and requirements thereby entered or left. */
  changed: z.object({
    service: name,
    environment: name,
    production: z.boolean(),
    /** That runs; with `share` 0 nothing does, and this is what ran until then. */
    artifact: digest,
    revision: sha.optional(),
    /** That made it so. */
    deployment: name,
    /** 0 to 1 of the traffic; 0: nothing runs any more. */
    share: z.number(),
    /** When the deployment that made it so finished: what orders these facts, whenever they are told. */
    since: instant,
    /** When something else followed; absent: it runs now. A late notice can change what is known of an earlier time. */
    until: instant.optional(),
    entered: z.array(z.string()),
    left: z.array(z.string()),
    /** All requirements that the running artifact contains. */
    contains: z.array(z.string()),
    changes_entered: z.array(sha).max(1000),
    changes_left: z.array(sha).max(1000),
    /** Commits that would have to be known to say more. */
    missing: z.array(z.string()),
    basis: basis.optional(),
  }),
  /** Version 1 always named an artifact; "removed" without one: whatever ran of the service there. */
  deployed: versions(deployedV1, [deployedV1.partial({ artifact: true }), (one) => one]),
})
