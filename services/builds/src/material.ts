import type { Contents } from '@rondo/contracts/builds'
import type { Contributor } from '@rondo/contracts/values'
import type { Instant } from '@rondo/kernel'
import type { Found, Read } from '@rondo/reaction'
import { type Artifact, artifact } from './artifact.ts'
import { build } from './build.ts'
import { artifactKey, type Catalog, catalog } from './catalog.ts'
import { type Asker, asker, graphOf } from './containment.ts'
import { baselineOf, changesOf, contentsOf, newChanges } from './contents.ts'
import { identified } from './contributors.ts'
import { type Gate, gate } from './decision.ts'
import { type Evidence, evidence, evidenceId } from './evidence.ts'
import { identity } from './identity.ts'
import { type Resolution, resolveArtifact, resolveRepository } from './mapping.ts'
import { type Changed, currentOf, placement } from './placement.ts'
import { type Policies, policy } from './policies.ts'
import { type Repository, repository } from './repository.ts'
import { commitGraph } from './views/commit-graph.ts'

/**
 * What the reactions read before a pure step. `basis` says how much a reading has seen: it grows with each fact that it rests on,
 * so of two results computed at once the one that saw more stands, whichever was written last.
 */
const versions = (...all: readonly (readonly { readonly version: number }[])[]) => all.flat().reduce((sum, { version }) => sum + version, 0)
/** The artifact's own facts weigh more than the rest: which evidence, service and revision count is for them to say. */
const ofArtifact = ({ version }: { readonly version: number }) => version * 1e9

export async function readGraph(
  read: Read,
  revisions: readonly string[],
  asked: readonly string[] = [],
): Promise<{ ask: Asker; position: number }> {
  const view = read.view(commitGraph)
  const position = await view.position()
  return { ask: asker(graphOf(await view.commits(revisions, asked))), position }
}

/** Persons behind actors that were mapped since. */
export async function readPersons(read: Read, contributors: readonly Contributor[]) {
  const strangers = [...new Set(contributors.map(({ actor }) => actor).filter((actor) => actor.startsWith('unmapped:')))]
  const found = strangers.length > 0 ? await read.loadAll(identity, strangers) : []
  return {
    persons: new Map(found.flatMap(({ id, state }) => (state.person ? [[id, state.person.value] as const] : []))),
    version: versions(found),
  }
}

export type Resolved<State> = Found<State> & { readonly resolution: Resolution & { readonly basis: number } }

/** The service of each of these repositories, and of all that ever shared a name with one of them. */
export async function readRepositories(read: Read, some: readonly Found<Repository>[]): Promise<readonly Resolved<Repository>[]> {
  const namesOf = (found: readonly Found<Repository>[]) => [
    ...new Set(found.flatMap(({ state }) => Object.keys(state.names).map((name) => name.toLowerCase()))),
  ]
  const sharing = await read.find(repository, 'name', namesOf(some))
  const all = await read.find(repository, 'name', namesOf(sharing))
  const keys = all.flatMap(({ state }) =>
    Object.keys(state.names).flatMap((name) => [name.toLowerCase(), `${state.host}/${name.toLowerCase()}`]),
  )
  const catalogs = await read.find(catalog, 'repository', [...new Set(keys)])
  const basis = versions(all, catalogs)
  return sharing.map((one) => ({ ...one, resolution: { ...resolveRepository(one, all, catalogs), basis } }))
}

export async function readArtifacts(read: Read, some: readonly Found<Artifact>[]): Promise<readonly Resolved<Artifact>[]> {
  const keys = [...new Set(some.flatMap(({ state }) => state.names.flatMap((name) => [name, artifactKey(name)])))]
  const catalogs: readonly Found<Catalog>[] = await read.find(catalog, 'artifact', keys)
  const repositories = await read.loadAll(repository, [...new Set(some.flatMap(({ state }) => state.repository_id?.value ?? []))])
  return some.map((one) => {
    const own = repositories.filter(({ id }) => id === one.state.repository_id?.value)
    return { ...one, resolution: { ...resolveArtifact(one.state, own, catalogs), basis: ofArtifact(one) + versions(own, catalogs) } }
  })
}

/** A fact holds so many; that there are more must block four eyes, not vanish. */
const mostContributors = 2000
const listable = (all: readonly Contributor[]): readonly Contributor[] =>
  all.length <= mostContributors
    ? all
    : [...all.slice(0, mostContributors), { actor: `unknown:${all.length - mostContributors} more contributors`, role: 'author' }]

export type Computed = { readonly id: string; readonly contents: Contents & { readonly basis: number } }
/** What an artifact contains. Nothing while its revision or its service is not known. */
export async function readContents(read: Read, one: Found<Artifact>, service: string | undefined): Promise<Computed | undefined> {
  const { state, id } = one
  if (!state.revision || !service || !state.first_at) return undefined
  const placements = await read.find(placement, 'production', [service])
  const found = baselineOf(placements, id, state.first_at)
  const older = found && !found.revision ? await read.load(artifact, found.artifact) : undefined
  const baseline = found && { artifact: found.artifact, revision: found.revision ?? older?.revision?.value }
  const asked = { service, revision: state.revision.value, baseline }
  const { ask, position } = await readGraph(read, [asked.revision, ...(baseline?.revision ? [baseline.revision] : [])])
  const changes = newChanges(ask, asked)
  const contributors = await read.view(commitGraph).contributors(changes)
  const { persons, version } = await readPersons(read, contributors)
  const basis = ofArtifact(one) + position + versions(placements) + version
  return { id, contents: { ...contentsOf(ask, asked, changes, listable(identified(contributors, persons))), basis } }
}

export async function readPlacement(read: Read, id: string): Promise<readonly Changed[]> {
  const [one] = await read.loadAll(placement, [id])
  if (!one) return []
  const artifacts = await read.loadAll(artifact, [...new Set(one.state.events.flatMap((event) => event.artifact ?? []))])
  const revisions = new Map(artifacts.flatMap((found) => (found.state.revision ? [[found.id, found.state.revision.value] as const] : [])))
  const all = one.state.events.flatMap((event) => event.revision ?? revisions.get(event.artifact ?? '') ?? [])
  const { ask, position } = await readGraph(read, [...new Set(all)])
  // its own facts only count deployments: what was told of periods must not outdo what was seen of commits
  return changesOf(ask, one.state, revisions, one.state.events.length * 1e9 + position + versions(artifacts))
}

export interface GateMaterial {
  readonly digest: string
  readonly state: Artifact
  readonly service: string
  readonly policies: Policies
  readonly policyVersion: number
  readonly evidence: readonly Evidence[]
  readonly gate: Gate
  /** Other artifacts that this one may be measured against. */
  readonly passed: readonly Found<Gate>[]
  readonly basis: number
}

/** Evidence of the artifact, of the builds that it names, else of the builds of its commit. */
export async function evidenceTargets(read: Read, digest: string, { builds, revision }: Artifact): Promise<readonly string[]> {
  const named =
    builds.length > 0 || !revision
      ? builds
      : (await read.find(build, 'revision', [revision.value])).flatMap(({ state }) => state.build ?? [])
  return [evidenceId({ artifact: digest }), ...[...new Set(named)].map((one) => evidenceId({ build: one }))]
}

/** Undefined while the artifact belongs to no service: no policy says what is good enough. */
export async function readGate(read: Read, digest: string): Promise<GateMaterial | undefined> {
  const [one] = await read.loadAll(artifact, [digest])
  const service = one?.state.mapping?.service
  if (!one || !service) return undefined
  const [put] = await read.loadAll(policy, [service])
  const found = await read.loadAll(evidence, await evidenceTargets(read, digest, one.state))
  const state = await read.load(gate, digest)
  const { items } = await read.list(gate, { keys: { baseline: service }, order: 'occurred_at desc', pageSize: 50 })
  return {
    digest,
    state: one.state,
    service,
    policies: put?.state ?? policy.initial,
    policyVersion: put?.version ?? 0,
    evidence: found.map((each) => each.state),
    gate: state,
    passed: items.filter(({ id }) => id !== digest),
    basis: ofArtifact(one) + versions(found) + (put?.version ?? 0) + state.waivers.length,
  }
}

/** A commit was told: artifacts and placements that waited for it, or for what lies between them and it. */
export async function readWaiting(
  read: Read,
  { sha, parents = [], shallow }: { readonly sha: string; readonly parents?: readonly string[] | undefined; readonly shallow: boolean },
) {
  const view = read.view(commitGraph)
  const origins = [sha, ...(await view.settled(sha))]
  const artifacts = await read.find(artifact, 'missing', origins)
  const places = await read.find(placement, 'missing', origins)
  // while its own parents are on their way only short histories are walked again: an import that begins with the newest commit would else walk all for each
  const inFlight =
    origins.length === 1 &&
    !shallow &&
    artifacts.length + places.length > 0 &&
    (await view.recorded(parents)).length < new Set(parents).size
  return {
    artifacts: artifacts.filter(({ state }) => !inFlight || isShort(state.contents?.value.changes)),
    placements: places.filter(({ state }) => !inFlight || isShort(currentOf(state)?.data.changes_entered)).map(({ id }) => id),
  }
}
const isShort = (changes: readonly string[] = []) => changes.length < 200

/** Something was computed without these commits: whether one of them was told meanwhile. The reaction to that one may have come too early to find what waits for it. */
export const toldMeanwhile = async (read: Read, missing: readonly string[]) =>
  missing.length > 0 && (await read.view(commitGraph).recorded(missing)).length > 0

/** The newest artifacts of a service or repository: older ones are history. */
export const recentArtifacts = async (read: Read, keys: Readonly<Record<string, string>>, pageSize = 200) =>
  (await read.list(artifact, { keys, order: 'occurred_at desc', pageSize })).items

/** Artifacts of the service whose time lies after a deployment's: production ran something else at their time than was thought. */
export const artifactsAfter = async (read: Read, service: string, at: Instant) =>
  (await recentArtifacts(read, { service })).filter(({ state }) => state.first_at !== undefined && state.first_at >= at)
