import { artifact, build, change, deployment, errors, evidence } from '@rondo/contracts/intake'
import { DomainError, type Fact, type Instant, millis } from '@rondo/kernel'
import type { Event } from '@rondo/proto/intake'
import { z } from 'zod'
import { notInFuture, type Observed, read, time, type Who } from './adapter.ts'
import { coAuthors, contributors } from './github-code.ts'

const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'a full commit id of 40 or 64 hex digits')
const digest = z.string().regex(/^[a-z0-9]+:[0-9a-f]{32,}$/, 'a digest such as sha256:<64 hex digits>')
const named = z.string().min(1).max(500)
/** proto3 has no "not set" for text: empty is. */
const optional = <S extends z.ZodType>(schema: S) => z.union([z.literal('').transform(() => undefined), schema]).optional()
const integer = z
  .string()
  .regex(/^\d+$/)
  .transform(Number)
  .refine((value) => Number.isSafeInteger(value), 'an integer up to 2^53')

/** An enum's value without its prefix, in the facts' spelling; UNSPECIFIED and unknown numbers are refused. */
const oneOf = <const Names extends readonly [string, ...string[]]>(prefix: string, names: Names) =>
  z
    .union([z.string(), z.number()])
    .transform((value) => (typeof value === 'string' ? value.replace(prefix, '').toLowerCase() : String(value)))
    .pipe(z.enum(names, `one of ${names.map((name) => prefix + name.toUpperCase()).join(', ')}`))

const repository = z
  .strictObject({ host: named, full_name: named, id: optional(named) })
  .transform(({ id, ...rest }) => ({ ...rest, ...(id ? { id } : {}) }))
const identity = z
  .strictObject({ email: z.string(), login: z.string(), name: z.string() })
  .transform(({ email, login, name }) => ({ email: email || null, login: login || null, name: name || null }))

const set = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)) as { [Name in keyof T]: NonNullable<T[Name]> }

interface Made {
  readonly subject: string
  readonly fact: Fact
}
type Maker = (given: unknown, path: string, sent: Sent, who: Who) => Made
interface Sent {
  readonly source: string
  readonly id: string
}
/** What a body must be, and the fact it is. */
const body =
  <S extends z.ZodType>(schema: S, make: (body: z.output<S>, sent: Sent, who: Who) => Made): Maker =>
  (given, path, sent, who) =>
    make(read(schema, given, [path]), sent, who)

const changes = body(
  z.strictObject({
    repository,
    sha,
    parents: z.array(sha),
    parents_known: z.boolean(),
    shallow: z.boolean(),
    patch_id: optional(z.string()),
    message: z.string(),
    committed_at: time,
    author: identity.nullish(),
    committer: identity.nullish(),
    branch: optional(z.string()),
  }),
  ({ parents, parents_known, shallow, author, committer, ...rest }, _, who) => {
    const people = [
      ...(author ? [['author', author] as const] : []),
      ...coAuthors(rest.message),
      ...(committer ? [['committer', committer] as const] : []),
    ]
    const known = parents_known ? { parents } : {}
    return {
      subject: rest.sha,
      fact: change.observed({ ...set(rest), ...known, ...(shallow ? { shallow } : {}), contributors: contributors(who, people) }),
    }
  },
)

const builds = body(
  z
    .strictObject({
      build_id: named,
      kind: oneOf('BUILD_KIND_', ['pipeline', 'task', 'build', 'check']),
      name: named,
      attempt: z.number().int().nonnegative(),
      phase: oneOf('BUILD_PHASE_', ['queued', 'started', 'finished']),
      outcome: oneOf('OUTCOME_', [
        'unspecified',
        'success',
        'failure',
        'error',
        'cancelled',
        'skipped',
        'neutral',
        'timed_out',
        'stale',
        'action_required',
      ]),
      repository: repository.nullish(),
      revision: optional(sha),
      branch: optional(z.string()),
      url: optional(z.string()),
    })
    .refine(({ phase, outcome }) => (phase === 'finished') === (outcome !== 'unspecified'), {
      path: ['outcome'],
      message: 'an outcome is said when, and only when, it is finished',
    }),
  ({ build_id, attempt, outcome, ...rest }, { source }) => ({
    subject: build_id,
    fact: build.observed({
      ...set(rest),
      source,
      build: build_id,
      attempt: attempt || 1,
      ...(outcome === 'unspecified' ? {} : { outcome }),
    }),
  }),
)

const artifacts = body(
  z.strictObject({
    digest,
    name: named,
    version: optional(z.string()),
    phase: oneOf('ARTIFACT_PHASE_', ['packaged', 'signed', 'published', 'deleted']),
    repository: repository.nullish(),
    revision: optional(sha),
    build_id: optional(z.string()),
  }),
  ({ build_id, ...rest }, { source }) => ({
    subject: rest.digest,
    fact: artifact.observed({ ...set(rest), source, ...(build_id ? { build: build_id } : {}) }),
  }),
)

const deployments = body(
  z
    .strictObject({
      deployment_id: named,
      service: optional(named),
      environment: named,
      artifact: optional(digest),
      revision: optional(sha),
      state: oneOf('DEPLOYMENT_STATE_', ['queued', 'started', 'succeeded', 'failed', 'rolled_back', 'inactive', 'removed']),
      share: z.number().min(0).max(1),
      url: optional(z.string()),
      whole_service: z.boolean(),
    })
    .refine(({ whole_service, state }) => !whole_service || state === 'removed', {
      path: ['whole_service'],
      message: 'a whole service can only be removed: DEPLOYMENT_STATE_REMOVED',
    })
    .refine(({ whole_service, artifact, revision }) => !whole_service || (!artifact && !revision), {
      path: ['whole_service'],
      message: 'a whole service leaves with whatever runs of it: name no artifact and no revision',
    }),
  ({ deployment_id, share, whole_service, ...rest }, { source }) => ({
    subject: deployment_id,
    fact: deployment.observed({
      ...set(rest),
      source,
      deployment: deployment_id,
      ...(share > 0 ? { share } : {}),
      ...(whole_service ? { whole_service } : {}),
    }),
  }),
)

const errorCounts = body(
  z
    .strictObject({
      service: named,
      environment: named,
      artifact: optional(digest),
      error_class: named,
      title: optional(z.string()),
      from: time,
      to: time,
      events: integer,
      requests: integer,
      event_ids: z.array(named).max(1000),
    })
    .refine(({ from, to }) => millis(from) < millis(to), { path: ['to'], message: 'the span ends after it began' })
    .refine(({ events, requests }) => events <= requests, { path: ['events'], message: 'there cannot be more errors than requests' }),
  (counts, { source }) => ({ subject: `${counts.service}/${counts.error_class}`, fact: errors.reported({ ...set(counts), source }) }),
)

const coverages = body(
  z
    .strictObject({ artifact: optional(digest), build_id: optional(z.string()), lines_covered: integer, lines_total: integer })
    .refine(({ lines_covered, lines_total }) => lines_covered <= lines_total, {
      path: ['lines_covered'],
      message: 'no more lines can be covered than there are',
    })
    .refine((of) => of.artifact || of.build_id, { path: ['artifact'], message: 'of which artifact, or which build' }),
  ({ build_id, ...rest }, { source, id }) => {
    const subject = rest.artifact ?? build_id ?? source
    return {
      subject,
      fact: evidence.coverage_reported({
        ...set(rest),
        ...(build_id ? { build: build_id } : {}),
        report: `${source}/${id}`,
        format: 'lines',
      }),
    }
  },
)

const bodies = {
  change: changes,
  build: builds,
  artifact: artifacts,
  deployment: deployments,
  errors: errorCounts,
  coverage: coverages,
} as const

const names = Object.keys(bodies) as (keyof typeof bodies)[]
const envelope = z.looseObject({ id: named, source: named, time })

/** One event as a service or CI job sends it over gRPC. Throws a refusal with the path in the event. */
export function adaptEmitted(event: Event, who: Who, now: Instant): Observed {
  const { id, source, time: at } = read(envelope, event)
  const kinds = names.filter((kind) => event[kind] != null)
  const [kind] = kinds
  if (!kind || kinds.length > 1) throw new DomainError('invalid', `an event has one body, one of: ${names.join(', ')}`, { path: 'body' })
  return { source, id, at: notInFuture(at, 'time', now), ...bodies[kind](event[kind], kind, { source, id }, who) }
}
