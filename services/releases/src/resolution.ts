import { type Tell, tell } from '@rondo/kernel'
import type { Found, Read } from '@rondo/reaction'
import { type ArtifactNote, artifactNote, noteRevision, serviceOf } from './artifact-note.ts'
import { artifactOf, type Deployment, deployment, environmentName } from './deployment.ts'
import { type Environment, environment, environmentOf } from './environment.ts'
import { type Release, release } from './release.ts'
import { type ServiceNote, serviceNote } from './service-note.ts'

/** A deployment and all that may say what it is. */
export interface Surroundings {
  readonly deployment: Found<Deployment>
  readonly services: readonly Found<ServiceNote>[]
  readonly artifacts: readonly Found<ArtifactNote>[]
  readonly releases: readonly Found<Release>[]
  readonly environment: Environment
}

const present = (values: readonly (string | undefined)[]): readonly string[] => values.filter((value) => value !== undefined)

/** The sender's own words for the service, the surest first. */
function namesOf({ told }: Deployment): readonly string[] {
  const said = [
    ['service', told.service],
    ['artifact_name', told.artifact_name],
    ['repository', told.repository],
  ] as const
  return present(said.map(([kind, word]) => word && `${kind} ${word.value}`))
}

export async function surroundings(read: Read, found: Found<Deployment>): Promise<Surroundings> {
  const { state } = found
  const told = artifactOf(state)
  const revision = state.told.revision?.value
  const [services, artifacts, place] = await Promise.all([
    read.find(serviceNote, 'lookup', namesOf(state)),
    told ? read.loadAll(artifactNote, [told]) : revision ? read.find(artifactNote, 'revision', [revision]) : [],
    read.load(environment, environmentName(state)),
  ])
  const digests = [...new Set([...present([told]), ...artifacts.map(({ id }) => id)])]
  const releases = digests.length > 0 ? await read.find(release, 'artifact', digests) : []
  return { deployment: found, services, artifacts, releases, environment: place }
}

export const surroundingsOf = (read: Read, found: readonly Found<Deployment>[]) => Promise.all(found.map((one) => surroundings(read, one)))

type Answer = { readonly service: string } | { readonly reason: string } | undefined

function byWord(services: readonly Found<ServiceNote>[], word: string): Answer {
  const ids = services.filter(({ state }) => serviceNote.keys.lookup(state).includes(word)).map(({ id }) => id)
  if (ids.length > 1) return { reason: `"${word}" belongs to several services: ${ids.sort().join(', ')}` }
  return ids[0] ? { service: ids[0] } : undefined
}

/** By the sender's word, by its artifact, by the artifact's name, by the repository: the first that answers. */
function serviceFor({ deployment: { state }, services, artifacts }: Surroundings): Answer {
  const [named, ...others] = namesOf(state).map((word) => ({ word, answer: byWord(services, word) }))
  const answers = named ? [named, ...others] : []
  const byName = answers.find(({ word }) => word.startsWith('service '))?.answer
  const ofArtifacts = [...new Set(present(artifacts.map(({ state }) => serviceOf(state))))]
  const byArtifact = ofArtifacts.length === 1 && ofArtifacts[0] ? { service: ofArtifacts[0] } : undefined
  const rest = answers.find(({ answer, word }) => answer && !word.startsWith('service '))?.answer
  return byName ?? byArtifact ?? rest
}

/** Of several releases with this artifact: the one that was let out here, else one that is approved. */
function bestRelease(releases: readonly Found<Release>[], artifact: string, place: string): string | undefined {
  const weight = ({ state }: Found<Release>) =>
    state.permissions.some((one) => one.environment === place) ? 0 : state.step === 'approved' ? 1 : 2
  return releases
    .filter(({ state }) => state.artifacts.includes(artifact))
    .sort((a, b) => weight(a) - weight(b) || (a.id < b.id ? -1 : 1))[0]?.id
}

/** What can be said of a deployment now; that it belongs to no service is said too. */
export function resolve(around: Surroundings): readonly Tell[] {
  const { id, state } = around.deployment
  const answer = serviceFor(around)
  const service = state.service ?? (answer && 'service' in answer ? answer.service : undefined)
  // Several artifacts of one commit: which of them runs, nobody said.
  const ofService = around.artifacts.filter((one) => !service || (serviceOf(one.state) ?? service) === service)
  const digest = artifactOf(state) ?? (ofService.length === 1 ? ofService[0]?.id : undefined)
  const note = around.artifacts.find((one) => one.id === digest)?.state
  const place = environmentName(state)
  const found = {
    service,
    artifact: digest,
    revision: state.told.revision?.value ?? (note && noteRevision(note)),
    release: digest && bestRelease(around.releases, digest, place),
    production: environmentOf(around.environment, place).production,
    requirements: note?.part?.requirements ?? [],
    told: note?.part?.told ?? 0,
  }
  const tells = [tell(deployment, id, 'resolved', found)]
  if (service) return tells
  const words = namesOf(state)
  const reason =
    answer && 'reason' in answer
      ? answer.reason
      : `no service in the catalog has ${words.length > 0 ? words.join(', ') : 'anything that it names'}`
  return [...tells, tell(deployment, id, 'unmapped', { name: (words[0] ?? id).slice(0, 500), reason })]
}
