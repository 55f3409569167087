import type { Contents } from '@rondo/contracts/builds'
import type { TestCase, TestCounts, Contributor as Told } from '@rondo/contracts/values'
import type { Instant } from '@rondo/kernel'
import type * as proto from '@rondo/proto/builds'
import type { Found } from '@rondo/reaction'
import { type Artifact, phaseOf as artifactPhase } from './artifact.ts'
import { attemptsOf, type Build, phaseOf as buildPhase } from './build.ts'
import { type Change, phaseOf as changePhase, implementedBy, mentionedBy } from './change.ts'
import { identified } from './contributors.ts'
import type { Decided, Gate } from './decision.ts'
import { type Evidence, targetOf } from './evidence.ts'
import { type Waiver, waiverRefused } from './gate.ts'
import type { Changed } from './placement.ts'
import { named, presentName, type Repository } from './repository.ts'
import { conflictOf, outcomeOf, phaseOf as runPhase, type TestRun } from './test-run.ts'

/** State as the proto's messages: what is not known is empty there. */
export const contributorMessage = ({ actor, role, shown = '' }: Told): proto.Contributor => ({ actor, role, shown })

export interface Around {
  readonly services: ReadonlyMap<string, string>
  readonly persons: ReadonlyMap<string, string>
}
export function changeMessage(commit: string, change: Change, { services, persons }: Around): proto.Change {
  const requests = Object.values(change.merge_requests)
  const people = (all: readonly Told[]) => identified(all, persons).map(contributorMessage)
  return {
    commit,
    subject: change.subject ?? requests[0]?.value.title ?? '',
    phase: changePhase(change),
    committed_at: change.committed_at ?? requests.map(({ at }) => at).sort()[0] ?? '',
    repository_ids: [...change.repositories],
    service: change.repositories.flatMap((id) => services.get(id) ?? [])[0] ?? '',
    parents_known: change.parents !== undefined && !(change.shallow && change.parents.length === 0),
    parents: [...(change.parents ?? [])],
    shallow: change.shallow,
    contributors: people(change.contributors),
    implements: [...implementedBy(change)],
    mentions: [...mentionedBy(change)],
    reverts: [...change.reverts],
    picked_from: [...change.picked_from],
    merge_requests: requests.map(({ value: { number, state, title, head, merge_sha = '' } }) => ({
      number: String(number),
      state,
      title,
      head,
      merge_commit: merge_sha,
      contributors: people(change.contributors),
    })),
  }
}

export function buildMessage({ id, state }: Found<Build>, services: ReadonlyMap<string, string>): proto.Build {
  const attempts = attemptsOf(state).map(
    ({ attempt, phase, queued_at = '', started_at = '', finished_at = '', outcome = '', conflicts }) => ({
      attempt,
      phase,
      queued_at,
      started_at,
      finished_at,
      outcome,
      conflicts: conflicts.map((one) => ({ finished_at: one.at, outcome: one.outcome })),
    }),
  )
  const repository_id = state.repository_id?.value ?? ''
  return {
    id,
    source: state.source ?? '',
    build_id: state.build ?? '',
    kind: state.kind?.value ?? '',
    name: state.name?.value ?? '',
    phase: buildPhase(state),
    outcome: attempts.at(-1)?.outcome ?? '',
    latest_attempt: attempts.at(-1)?.attempt ?? 0,
    attempts,
    revision: state.revision?.value ?? '',
    branch: state.branch?.value ?? '',
    repository_id,
    service: services.get(repository_id) ?? '',
    url: state.url?.value ?? '',
    first_seen_at: state.first_at ?? '',
  }
}

export const testRunMessage = (run: TestRun): proto.TestRun => ({
  source: run.source ?? '',
  run_id: run.run ?? '',
  kind: run.kind?.value ?? '',
  phase: runPhase(run),
  outcome: outcomeOf(run) ?? '',
  suite: run.suite?.value ?? '',
  artifact: run.artifact?.value ?? '',
  finishes: run.finishes.toReversed().map(({ at, outcome }) => ({ finished_at: at, outcome })),
  conflict: conflictOf(run) ?? '',
})

const contentsMessage = ({
  revision,
  changes,
  more,
  requirements,
  contributors,
  missing,
  baseline_artifact = '',
}: Contents): proto.Contents => ({
  revision,
  changes: [...changes],
  more,
  requirement_ids: [...requirements],
  contributors: contributors.map(contributorMessage),
  missing: [...missing],
  baseline_artifact,
})
export const artifactMessage = ({ id, state }: Found<Artifact>): proto.Artifact => ({
  digest: id,
  names: [...state.names],
  version: state.version?.value ?? '',
  phase: artifactPhase(state),
  revision: state.revision?.value ?? '',
  service: state.mapping?.service ?? '',
  unmapped_reason: state.mapping?.reason ?? '',
  build_ids: [...state.builds],
  repository_id: state.repository_id?.value ?? '',
  first_seen_at: state.first_at ?? '',
  contents: state.contents ? contentsMessage(state.contents.value) : null,
})

const mostCases = 1000
const noCounts: TestCounts = { tests: 0, passed: 0, failed: 0, errors: 0, skipped: 0, flaky: 0 }
const isFlaky = ({ attempts }: TestCase) =>
  attempts.at(-1)?.outcome === 'passed' && attempts.some(({ outcome }) => outcome === 'failed' || outcome === 'error')
const caseMessage = (one: TestCase): proto.TestCase => ({
  suite: [...one.suite],
  classname: one.classname,
  name: one.name,
  title: [...one.suite, one.name].join(' > '),
  flaky: isFlaky(one),
  attempts: one.attempts.map(({ outcome, message = '', seconds = 0 }) => ({ outcome, message, seconds })),
})
const worth = (one: TestCase) => (one.attempts.at(-1)?.outcome !== 'passed' ? 0 : isFlaky(one) ? 1 : 2)

/** All reports of one target, earliest first; the cases come from the view. */
export function reportMessages({ id, state }: Found<Evidence>, cases: ReadonlyMap<string, readonly TestCase[]>): proto.Report[] {
  const { artifact = '', build = '' } = targetOf(id)
  const base = {
    artifact,
    build_id: build,
    counts: null,
    empty_suites: [],
    cases: [],
    cases_left_out: 0,
    lines_covered: '0',
    lines_total: '0',
    refused_reason: '',
  }
  const tests = Object.entries(state.tests).map(([report_id, { at, counts, empty }]) => {
    const all = [...(cases.get(report_id) ?? [])].sort((a, b) => worth(a) - worth(b))
    return {
      ...base,
      report_id,
      kind: 'tests',
      reported_at: at,
      counts,
      empty_suites: [...empty],
      cases: all.slice(0, mostCases).map(caseMessage),
      cases_left_out: Math.max(0, all.length - mostCases),
    }
  })
  const coverage = Object.entries(state.coverage).map(([report_id, { at, lines_covered, lines_total }]) => ({
    ...base,
    report_id,
    kind: 'coverage',
    reported_at: at,
    lines_covered: String(lines_covered),
    lines_total: String(lines_total),
  }))
  const refused = Object.entries(state.refused).map(([report_id, { at, reason }]) => ({
    ...base,
    report_id,
    kind: 'refused',
    reported_at: at,
    refused_reason: reason,
  }))
  return [...tests, ...coverage, ...refused].sort((a, b) => (a.reported_at < b.reported_at ? -1 : 1))
}
export const countsMessage = (counts: TestCounts = noCounts): proto.TestCounts => ({ ...counts })

const decisionMessage = ({ id, at, data }: { readonly id: string; readonly at: Instant; readonly data: Decided }): proto.GateDecision => ({
  decision_id: id,
  verdict: data.verdict,
  ...(data.score === null ? {} : { score: data.score }),
  criteria: data.criteria.map(({ value, baseline, waived_by = '', ...one }) => ({
    ...one,
    ...(value === null ? {} : { value }),
    ...(baseline === null ? {} : { baseline }),
    waived_by,
  })),
  policy_hash: data.policy_hash,
  inputs_hash: data.inputs_hash,
  release_allowed: data.release_allowed,
  allowed_until: data.allowed_until ?? '',
  reasons: data.reasons,
  decided_at: at,
})
const refusals: Readonly<Record<string, string>> = { contributor: 'given by a contributor of the change', expired: 'it has ended' }
export function gateMessage(
  artifact: string,
  { latest, earlier, waivers }: Gate,
  contributors: readonly string[],
  now: Instant,
): proto.GetGateResponse {
  const waiverMessage = (waiver: Waiver & { readonly given_at: Instant }) => {
    const refused = waiverRefused(waiver, contributors, now)
    return { ...waiver, valid: !refused, refused_because: refused ? (refusals[refused] ?? refused) : '' }
  }
  return {
    artifact,
    service: latest?.data.service ?? '',
    decision: latest ? decisionMessage(latest) : null,
    waivers: waivers.map(waiverMessage),
    evidence_ids: latest?.data.evidence ?? [],
    earlier: earlier.map(decisionMessage),
  }
}

export const placementMessage = (data: Changed): proto.Placement => ({
  service: data.service,
  environment: data.environment,
  production: data.production,
  artifact: data.artifact,
  revision: data.revision ?? '',
  deployment_id: data.deployment,
  share: data.share,
  since: data.since,
  requirement_ids: data.contains,
  requirements_entered: data.entered,
  requirements_left: data.left,
  changes_entered: data.changes_entered,
  changes_left: data.changes_left,
  missing: data.missing,
})

export function repositoryMessage({ id, state }: Found<Repository>): proto.Repository {
  const present = presentName(state)
  return {
    repository_id: id,
    host: state.host,
    full_name: present,
    former_names: Object.keys(state.names).filter((name) => name !== present),
    platform_id: state.platform_id ?? '',
    default_branch: named(state).default_branch ?? '',
    service: state.mapping?.service ?? '',
    unmapped_reason: state.mapping?.reason ?? '',
    refs: Object.entries(state.refs).map(([key, { value }]) => {
      const [kind = '', ...name] = key.split(' ')
      return { name: name.join(' '), kind, target: value.target ?? '', object: value.object ?? '', deleted: value.deleted }
    }),
  }
}
