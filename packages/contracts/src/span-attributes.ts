import type { Envelope, FactType } from '@rondo/kernel'
import * as builds from './builds.ts'
import * as intake from './intake.ts'
import { buildSpan, deploymentSpan, pipeline, type SpanAttributes, type Stage, suite, vcs } from './span-values.ts'

/*
 * What a trace says of a fact: by OpenTelemetry's semantic conventions (CI/CD, VCS, artifact, deployment, test), and under `rondo.` where there
 * is none. Nothing that is marked personal is ever among it.
 */

/** What spans need of an event. */
export type Spanned = Pick<Envelope, 'type' | 'stream' | 'streamId' | 'data'>

/** Fields that mean the same in whatever fact they stand, as texts, numbers or booleans. */
const fields: Readonly<Record<string, string>> = {
  service: 'service.name',
  environment: 'deployment.environment.name',
  artifact: 'artifact.hash',
  digest: 'artifact.hash',
  revision: 'vcs.ref.head.revision',
  sha: 'vcs.ref.head.revision',
  deployment: 'deployment.id',
  requirement: 'rondo.requirement.id',
  release: 'rondo.release.id',
  content_hash: 'rondo.release.content_hash',
  incident: 'rondo.incident.id',
  severity: 'rondo.incident.severity',
  proof: 'rondo.proof.id',
  signal: 'rondo.signal.id',
  fingerprint: 'rondo.signal.fingerprint',
  problem: 'rondo.problem',
  item: 'rondo.feedback.item.id',
  requester: 'rondo.feedback.requester.id',
  notice: 'rondo.feedback.notice.id',
  error_class: 'rondo.error_class',
}

/** Fields of one stream's facts, beside those. */
const ofStream: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  gate: { verdict: 'rondo.gate.verdict', score: 'rondo.gate.score', release_allowed: 'rondo.gate.release_allowed' },
  proof: { verdict: 'rondo.proof.verdict', reason: 'rondo.proof.reason', bound: 'rondo.proof.bound' },
  release: { code: 'rondo.denial.code', what: 'rondo.denial.what' },
  handover: { from: 'rondo.handover.from', to: 'rondo.handover.to', team: 'rondo.handover.team' },
  incident: { cause: 'rondo.incident.cause' },
  notice: { kind: 'rondo.feedback.notice.kind' },
}

/** Streams whose id is what their facts are about. */
const ids: Readonly<Record<string, string>> = {
  requirement: 'rondo.requirement.id',
  turn: 'rondo.requirement.id',
  release: 'rondo.release.id',
  incident: 'rondo.incident.id',
  proof: 'rondo.proof.id',
  signal: 'rondo.signal.id',
  item: 'rondo.feedback.item.id',
  notice: 'rondo.feedback.notice.id',
}

interface Row {
  readonly fact: FactType
  readonly attributes: (data: unknown) => SpanAttributes
}
/** For data that fit the fact's newest schema; of anything else nothing is said. */
const row = <Data>(fact: FactType<string, Data>, attributes: (data: Data) => SpanAttributes): Row => ({
  fact: fact as FactType,
  attributes(data) {
    const parsed = fact.schema.safeParse(data)
    return parsed.success ? attributes(parsed.data) : {}
  },
})

const rows: readonly Row[] = [
  row(intake.change.observed, ({ repository, sha, parents, branch }) => ({
    ...vcs(repository, { revision: sha, branch }),
    'vcs.ref.base.revision': parents?.[0],
  })),
  row(builds.change.recorded, ({ repository, sha, parents }) => ({
    ...vcs(repository, { revision: sha }),
    'vcs.ref.base.revision': parents?.[0],
  })),
  row(intake.ref.observed, ({ repository, name, kind, target }) => ({
    ...vcs(repository, { revision: target }),
    'vcs.ref.head.name': name,
    'vcs.ref.head.type': kind,
  })),
  row(intake.mergeRequest.observed, ({ repository, number, title, state, head, base_branch }) => ({
    ...vcs(repository, { revision: head }),
    'vcs.change.id': String(number),
    'vcs.change.title': title,
    'vcs.change.state': state,
    'vcs.ref.base.name': base_branch,
    'vcs.ref.base.type': 'branch',
  })),
  row(builds.change.merge_request, ({ repository, number, title, state, head }) => ({
    ...vcs(repository, { revision: head }),
    'vcs.change.id': String(number),
    'vcs.change.title': title,
    'vcs.change.state': state,
  })),
  row(intake.build.observed, (build) => ({ ...vcs(build.repository, build), ...pipeline(build) })),
  row(builds.build.observed, (build) => ({ ...vcs(build.repository, build), ...pipeline(build) })),
  row(intake.artifact.observed, artifactOf),
  row(builds.artifact.observed, artifactOf),
  row(intake.evidence.tests_reported, suite),
  row(builds.evidence.tests_attached, suite),
  row(intake.testRun.observed, testRunOf),
  row(builds.testRun.observed, testRunOf),
  row(intake.deployment.observed, (data) => ({ ...vcs(data.repository, data), ...deploymentSpan(data) })),
  row(intake.alert.observed, ({ status }) => ({ 'rondo.alert.status': status })),
]
const byType: ReadonlyMap<string, Row> = new Map(rows.map((one) => [one.fact.base, one]))

interface ArtifactSeen {
  readonly digest: string
  readonly name: string
  readonly version?: string | undefined
}
/** A package URL gets its version; an image is known by its digest. */
function artifactOf({ digest, name, version }: ArtifactSeen): SpanAttributes {
  const image = name.startsWith('pkg:oci/')
  return {
    'artifact.filename': name.split('/').at(-1),
    'artifact.purl': name.startsWith('pkg:') ? `${name}@${encodeURIComponent(image ? digest : (version ?? digest))}` : undefined,
    'artifact.version': version,
    'artifact.hash': digest,
    'oci.manifest.digest': image ? digest : undefined,
  }
}

const runStatus: Readonly<Record<string, string>> = {
  success: 'success',
  failure: 'failure',
  error: 'failure',
  cancelled: 'aborted',
  skipped: 'skipped',
  timed_out: 'timed_out',
}
interface TestRunSeen {
  readonly kind: 'suite' | 'case'
  readonly phase: string
  readonly run: string
  readonly outcome?: string | undefined
  readonly suite?: string | undefined
}
function testRunOf({ kind, phase, run, outcome, suite: name }: TestRunSeen): SpanAttributes {
  const status = phase === 'finished' ? runStatus[outcome ?? ''] : phase === 'skipped' ? 'skipped' : 'in_progress'
  if (kind === 'suite') return { 'test.suite.name': name ?? run, 'test.suite.run.status': status }
  const result = phase !== 'finished' ? undefined : outcome === 'success' ? 'pass' : 'fail'
  return { 'test.suite.name': name, 'test.case.name': run, 'test.case.result.status': result }
}

const isObject = (data: unknown): data is Readonly<Record<string, unknown>> => typeof data === 'object' && data !== null

/** The domain attributes of a fact's span; undefined ones are to be left out. */
export function spanAttributes({ type, stream, streamId, data }: Spanned): SpanAttributes {
  const own = ids[stream]
  const named = { ...fields, ...ofStream[stream] }
  const known = Object.entries(isObject(data) ? data : {}).flatMap(([field, value]) => {
    const name = named[field]
    return name && ['string', 'number', 'boolean'].includes(typeof value) ? [[name, value as string | number | boolean]] : []
  })
  return { ...(own ? { [own]: streamId } : {}), ...Object.fromEntries(known), ...byType.get(type)?.attributes(data) }
}

/** The span of its own that the conventions want for a build or task, as the outside told it; undefined: none. */
export function stageSpan({ type, data }: Spanned): Stage | undefined {
  if (type !== intake.build.observed.base) return undefined
  const parsed = intake.build.observed.schema.safeParse(data)
  return parsed.success ? buildSpan(parsed.data) : undefined
}
