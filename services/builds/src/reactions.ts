import * as own from '@rondo/contracts/builds'
import { person } from '@rondo/contracts/gateway'
import * as intake from '@rondo/contracts/intake'
import { service } from '@rondo/contracts/operations'
import { deployment } from '@rondo/contracts/releases'
import type { Repository as Named } from '@rondo/contracts/values'
import { type DataOf, type FactType, type Tell, tell } from '@rondo/kernel'
import { type Found, type Reaction, type Read, when } from '@rondo/reaction'
import { type Artifact, artifact } from './artifact.ts'
import { build, buildId } from './build.ts'
import { artifactKey, catalog, repositoryKey } from './catalog.ts'
import { change, mergedAs } from './change.ts'
import { gate } from './decision.ts'
import { evidence, evidenceId } from './evidence.ts'
import { identity } from './identity.ts'
import {
  artifactsAfter,
  type Computed,
  evidenceTargets,
  type GateMaterial,
  type Resolved,
  readArtifacts,
  readContents,
  readGate,
  readPlacement,
  readRepositories,
  readWaiting,
  recentArtifacts,
  toldMeanwhile,
} from './material.ts'
import { type Changed, placement, placementId } from './placement.ts'
import { inForce, policy } from './policies.ts'
import { readPolicy } from './policy.ts'
import { type Repository, repository, repositoryId } from './repository.ts'
import { outcomeOf, testRun, testRunId } from './test-run.ts'
import { verdictOf } from './verdict.ts'

/** Observed outside: recorded first, whatever it means is the next reaction's work. */
const seen = (one: Named | undefined): readonly Tell[] => (one ? [tell(repository, repositoryId(one), 'seen', one)] : [])
const idOf = (one: Named | undefined) => (one ? { repository_id: repositoryId(one) } : {})

const recording: readonly Reaction[] = [
  when(intake.change.observed, ({ data }) => [...seen(data.repository), tell(change, data.sha, 'observed', data)]),
  when(intake.ref.observed, ({ data: { repository: where, ...move } }) => [
    ...seen(where),
    tell(repository, repositoryId(where), 'refMoved', move),
  ]),
  when(intake.mergeRequest.observed, ({ data }) => [...seen(data.repository), tell(change, mergedAs(data), 'mergeRequest', data)]),
  when(intake.build.observed, ({ data }) => [
    ...seen(data.repository),
    tell(build, buildId(data.source, data.build), 'observed', { ...data, ...idOf(data.repository) }),
  ]),
  when(intake.testRun.observed, ({ data: { environment: _, ...data } }) => [
    tell(testRun, testRunId(data.source, data.run), 'observed', data),
  ]),
  when(intake.artifact.observed, ({ data: { sbom_uri: _, ...data } }) => [
    ...seen(data.repository),
    tell(artifact, data.digest, 'observed', { ...data, ...idOf(data.repository) }),
  ]),
  when(intake.evidence.tests_reported, ({ data: { format: _, ...data } }) => [tell(evidence, evidenceId(data), 'testsReported', data)]),
  when(intake.evidence.coverage_reported, ({ data }) => [tell(evidence, evidenceId(data), 'coverageReported', data)]),
  when(intake.evidence.refused, ({ data }) => [tell(evidence, evidenceId(data), 'refused', data)]),
  when(service.put, ({ data: { service: name, repositories, artifacts } }) => [
    tell(catalog, name, 'copied', { service: name, repositories, artifacts }),
  ]),
  when(person.mapped, ({ data: { person: id, identities } }) =>
    identities.map((one) => tell(identity, one, 'mapped', { identity: one, person: id.startsWith('person:') ? id : `person:${id}` })),
  ),
  when(deployment.succeeded, ({ data: { release: _, ...data } }) => [
    tell(placement, placementId(data.service, data.environment), 'deployed', { ...data, outcome: 'succeeded' }),
  ]),
  when(deployment.rolled_back, ({ data: { release: _, ...data } }) => [
    tell(placement, placementId(data.service, data.environment), 'deployed', { ...data, share: 0, outcome: 'rolled_back' }),
  ]),
  when(deployment.removed, ({ data: { release: _, ...data } }) => [
    tell(placement, placementId(data.service, data.environment), 'deployed', { ...data, share: 0, outcome: 'removed' }),
  ]),
]

const resolved = (repositories: readonly Resolved<Repository>[]) =>
  repositories.map(({ id, resolution }) => tell(repository, id, 'resolved', resolution))
const resolvedArtifacts = (artifacts: readonly Resolved<Artifact>[]) =>
  artifacts.map(({ id, resolution }) => tell(artifact, id, 'resolved', resolution))

async function byCatalog({ service: name, repositories, artifacts }: DataOf<typeof own.catalog.copied>, read: Read) {
  const names = repositories.map(repositoryKey)
  // a catalog may name the host too; repositories are found by their name alone
  const bare = names.map((one) => one.split('/').slice(-2).join('/'))
  const listed = await read.find(repository, 'name', [...new Set([...names, ...bare])])
  const formerly = await read.find(repository, 'service', [name])
  const some = [
    ...(await Promise.all([...artifacts, ...artifacts.map(artifactKey)].map((one) => recentArtifacts(read, { name: one })))).flat(),
    ...(await recentArtifacts(read, { service: name })),
  ]
  const distinct = <State>(all: readonly Found<State>[]) => [...new Map(all.map((one) => [one.id, one])).values()]
  return {
    repositories: await readRepositories(read, distinct([...listed, ...formerly])),
    artifacts: await readArtifacts(read, distinct(some)),
  }
}

const onRepository = <Data extends { readonly repository_id: string }>(fact: FactType<string, Data>) =>
  when(
    fact,
    async ({ data }, read) => readArtifacts(read, await recentArtifacts(read, { repository: data.repository_id })),
    (_, found) => resolvedArtifacts(found),
  )

/** Which service something belongs to: when a mapping appears later, earlier things are placed. */
const mapping: readonly Reaction[] = [
  when(
    own.repositoryFacts.seen,
    async ({ data }, read) => readRepositories(read, await read.loadAll(repository, [data.repository_id])),
    (_, found) => resolved(found),
  ),
  when(
    own.repositoryFacts.assigned,
    async ({ streamId }, read) => readRepositories(read, await read.loadAll(repository, [streamId])),
    (_, found) => resolved(found),
  ),
  when(
    own.catalog.copied,
    ({ data }, read) => byCatalog(data, read),
    (_, found) => [...resolved(found.repositories), ...resolvedArtifacts(found.artifacts)],
  ),
  onRepository(own.repositoryFacts.mapped),
  onRepository(own.repositoryFacts.unmapped),
]

const contained = (all: readonly (Computed | undefined)[]) =>
  all.flatMap((one) => (one ? [tell(artifact, one.id, 'contained', one.contents)] : []))
const contentsOfAll = async (read: Read, some: readonly Found<Artifact>[]) =>
  Promise.all(some.map((one) => readContents(read, one, one.state.mapping?.service)))

interface Recomputed {
  readonly artifacts: readonly (Computed | undefined)[]
  readonly placements: readonly Changed[]
}
const placed = (all: readonly Changed[]) => all.map((one) => tell(placement, placementId(one.service, one.environment), 'changed', one))
const again = ({ artifacts, placements }: Recomputed): readonly Tell[] => [...contained(artifacts), ...placed(placements)]
async function recompute(read: Read, artifacts: readonly Found<Artifact>[], placements: readonly string[]): Promise<Recomputed> {
  return {
    artifacts: await contentsOfAll(read, artifacts),
    placements: (await Promise.all([...new Set(placements)].map((id) => readPlacement(read, id)))).flat(),
  }
}

/** An artifact's notice: it may say which service and commit, and so what others waited for. */
async function byArtifact(digest: string, read: Read) {
  const [one] = await readArtifacts(read, await read.loadAll(artifact, [digest]))
  const waiting = one?.state.revision ? (await read.find(artifact, 'missing', [digest])).filter(({ id }) => id !== digest) : []
  const places = await read.find(placement, 'artifact', [digest])
  return {
    resolved: one ? [one] : [],
    artifacts: [...(one ? [await readContents(read, one, one.resolution.service)] : []), ...(await contentsOfAll(read, waiting))],
    placements: (await Promise.all(places.map(({ id }) => readPlacement(read, id)))).flat(),
  }
}
async function byMergeRequest(sha: string, read: Read) {
  const artifacts = await read.find(artifact, 'change', [sha])
  const places = await read.find(
    placement,
    'artifact',
    artifacts.map(({ id }) => id),
  )
  return recompute(
    read,
    artifacts,
    places.map(({ id }) => id),
  )
}
async function byIdentity(id: string, read: Read) {
  return recompute(read, await read.find(artifact, 'unmapped', [id]), [])
}

/** Computed without something that was told meanwhile, too early to find who waits for it: whoever comes second looks. */
async function whatCameMeanwhile(missing: readonly string[], read: Read, artifacts: readonly string[], placements: readonly string[]) {
  return (await toldMeanwhile(read, missing))
    ? recompute(read, await read.loadAll(artifact, artifacts), placements)
    : recompute(read, [], [])
}

/** What contains what: computed again by whatever makes more known, so that any order ends in the same. */
const containing: readonly Reaction[] = [
  when(
    own.artifact.observed,
    ({ data }, read) => byArtifact(data.digest, read),
    (_, found) => [...resolvedArtifacts(found.resolved), ...again(found)],
  ),
  when(
    own.artifact.mapped,
    async ({ data }, read) => contentsOfAll(read, await read.loadAll(artifact, [data.digest])),
    (_, found) => contained(found),
  ),
  when(
    own.change.recorded,
    async ({ data }, read) => {
      const { artifacts, placements } = await readWaiting(read, data)
      return recompute(read, artifacts, placements)
    },
    (_, found) => again(found),
  ),
  when(
    own.artifact.contained,
    ({ data }, read) => whatCameMeanwhile(data.missing, read, [data.digest], []),
    (_, found) => again(found),
  ),
  when(
    own.placement.changed,
    ({ data, streamId }, read) => whatCameMeanwhile(data.missing, read, [], [streamId]),
    (_, found) => again(found),
  ),
  when(
    own.change.merge_request,
    ({ data }, read) => byMergeRequest(data.sha, read),
    (_, found) => again(found),
  ),
  when(
    own.identity.mapped,
    ({ data }, read) => byIdentity(data.identity, read),
    (_, found) => again(found),
  ),
  when(
    own.placement.deployed,
    async ({ data, streamId }, read) =>
      recompute(read, data.production ? await artifactsAfter(read, data.service, data.at) : [], [streamId]),
    (_, found) => again(found),
  ),
]

const decided = (all: readonly (GateMaterial | undefined)[]) =>
  all.flatMap((one) => (one ? [tell(gate, one.digest, 'decided', verdictOf(one))] : []))
const gates = (read: Read, digests: readonly string[]) => Promise.all([...new Set(digests)].map((digest) => readGate(read, digest)))

/** Artifacts that evidence speaks for: the one it names, those of its build, and those of the build's commit. */
async function byEvidence(
  { artifact: digest, build: named }: { readonly artifact?: string | undefined; readonly build?: string | undefined },
  read: Read,
) {
  if (digest) return gates(read, [digest])
  if (!named) return []
  const builds = await read.find(build, 'build', [named])
  const revisions = builds.flatMap(({ state }) => state.revision?.value ?? [])
  const candidates = [
    ...(await read.find(artifact, 'build', [named])),
    ...(revisions.length > 0 ? await read.find(artifact, 'revision', revisions) : []),
  ]
  return gates(
    read,
    candidates.map(({ id }) => id),
  )
}

/** Later artifacts are measured against this one where their policy has relative objectives. */
async function byVerdict({ artifact: digest, service: name, inputs_at = '' }: DataOf<typeof own.gate.decided>, read: Read) {
  const relative = readPolicy(inForce(await read.load(policy, name)).yaml).criteria.some(({ pass, warn }) =>
    [...pass, ...warn].some(({ kind }) => kind !== 'absolute'),
  )
  if (!relative) return []
  const { items } = await read.list(gate, { keys: { service: name }, order: 'occurred_at desc', pageSize: 50 })
  const later = items.filter(({ id, state }) => id !== digest && (state.latest?.data.inputs_at ?? '') > inputs_at)
  return gates(
    read,
    later.map(({ id }) => id),
  )
}

interface Target {
  readonly artifact?: string | undefined
  readonly build?: string | undefined
}
const onEvidence = <Data extends Target>(fact: FactType<string, Data>) =>
  when(
    fact,
    ({ data }, read) => byEvidence(data, read),
    (_, found) => decided(found),
  )
const onContents = <Data extends { readonly digest: string }>(fact: FactType<string, Data>) =>
  when(
    fact,
    ({ data }, read) => gates(read, [data.digest]),
    (_, found) => decided(found),
  )

/** Verdicts: a new one whenever an input, the policy or a waiver has changed what it rests on. */
const judging: readonly Reaction[] = [
  onEvidence(own.evidence.tests_attached),
  onEvidence(own.evidence.coverage_attached),
  onEvidence(own.evidence.refused),
  onEvidence(own.evidence.test_run_attached),
  onContents(own.artifact.contained),
  onContents(own.artifact.mapped),
  when(
    own.gate.waived,
    ({ data }, read) => gates(read, [data.artifact]),
    (_, found) => decided(found),
  ),
  when(
    own.gate.decided,
    ({ data }, read) => byVerdict(data, read),
    (_, found) => decided(found),
  ),
  when(
    own.policy.put,
    async ({ data }, read) =>
      gates(
        read,
        (await recentArtifacts(read, { service: data.service })).map(({ id }) => id),
      ),
    (_, found) => decided(found),
  ),
  // a build's commit may be told after its reports
  when(
    own.build.observed,
    ({ data }, read) => (data.revision ? byEvidence({ build: data.build }, read) : Promise.resolve([])),
    (_, found) => decided(found),
  ),
  // so may an artifact's builds and commit: they say which reports count
  when(
    own.artifact.observed,
    async ({ data }, read) =>
      (await evidenceTargets(read, data.digest, await read.load(artifact, data.digest))).length > 1 ? gates(read, [data.digest]) : [],
    (_, found) => decided(found),
  ),
  when(
    own.testRun.observed,
    async ({ data }, read) => read.load(testRun, testRunId(data.source, data.run)),
    ({ data }, run) => {
      const outcome = outcomeOf(run)
      const digest = run.artifact?.value
      return outcome && digest
        ? [tell(evidence, evidenceId({ artifact: digest }), 'testRun', { artifact: digest, source: data.source, run: data.run, outcome })]
        : []
    },
  ),
]

export const reactions: readonly Reaction[] = [...recording, ...mapping, ...containing, ...judging]
