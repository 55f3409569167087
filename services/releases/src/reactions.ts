import { artifact, change, gate, policy } from '@rondo/contracts/builds'
import { person } from '@rondo/contracts/gateway'
import { deployment as told } from '@rondo/contracts/intake'
import { incident, service } from '@rondo/contracts/operations'
import {
  artifactNote as artifactSaid,
  identityNote as identitySaid,
  incidentNote as incidentSaid,
  deployment as ran,
  release as released,
  serviceNote as serviceSaid,
} from '@rondo/contracts/releases'
import { type Envelope, type Tell, tell } from '@rondo/kernel'
import { type Found, type Reaction, type Read, when } from '@rondo/reaction'
import { type ArtifactNote, artifactNote, serviceOf, verdictsOf } from './artifact-note.ts'
import { deploymentsFor, incidentsFor, linksOf } from './attribution.ts'
import { changeNote } from './change-note.ts'
import { deployment } from './deployment.ts'
import { identityNote } from './identity-note.ts'
import { incidentNote } from './incident-note.ts'
import { deploymentId, releaseId } from './names.ts'
import { type Release, release } from './release.ts'
import { violationsOf } from './release-rules.ts'
import { resolve, surroundings, surroundingsOf } from './resolution.ts'
import { lookupsOf, serviceNote } from './service-note.ts'

/** Facts of others become notes; whatever meets them is found by the reaction to the note. */
const notes: readonly Reaction[] = [
  when(artifact.observed, ({ data: { digest, name, phase, revision } }) => [
    tell(artifactNote, digest, 'observed', { artifact: digest, name, phase, ...(revision ? { revision } : {}) }),
  ]),
  when(artifact.mapped, ({ data: { digest, service }, version }) => [
    tell(artifactNote, digest, 'mapped', { artifact: digest, service, told: version }),
  ]),
  when(artifact.contained, ({ data: { digest, basis: _, ...contents }, version }) => [
    tell(artifactNote, digest, 'contained', { ...contents, artifact: digest, told: version }),
  ]),
  when(
    gate.decided,
    ({ data: { artifact, service, verdict, release_allowed, allowed_until, policy_hash, inputs_hash, reasons }, version }) => [
      tell(artifactNote, artifact, 'gated', {
        artifact,
        service,
        verdict,
        release_allowed,
        policy_hash,
        inputs_hash,
        reasons,
        told: version,
        ...(allowed_until ? { allowed_until } : {}),
      }),
    ],
  ),
  when(policy.put, ({ data: { service, hash }, version }) => [
    tell(serviceNote, service, 'policy', { service, policy_hash: hash, told: version }),
  ]),
  when(change.recorded, ({ data: { sha, contributors } }) => [tell(changeNote, sha, 'contributed', { sha, contributors })]),
  when(change.merge_request, ({ data: { sha, head, merge_sha = head, contributors } }) =>
    [...new Set([sha, head, merge_sha])].map((sha) => tell(changeNote, sha, 'contributed', { sha, contributors })),
  ),
  when(service.put, ({ data: { service, owner, runbook, repositories, artifacts }, version }) => [
    tell(serviceNote, service, 'mapped', { service, owner, repositories, artifacts, told: version, ...(runbook ? { runbook } : {}) }),
  ]),
  when(incident.declared, ({ data: { incident, service, environment, began_at } }) => [
    tell(incidentNote, incident, 'declared', { incident, service, environment, began_at }),
  ]),
  when(incident.attributed, ({ data: { incident, service, cause, artifact, deployment, resolved_at }, version }) => [
    tell(incidentNote, incident, 'attributed', {
      incident,
      service,
      cause,
      told: version,
      ...(artifact ? { artifact } : {}),
      ...(deployment ? { deployment } : {}),
    }),
    ...(resolved_at ? [tell(incidentNote, incident, 'resolved', { incident, service, resolved_at, told: version })] : []),
  ]),
  when(incident.resolved, ({ data: { incident, service, resolved_at }, version }) => [
    tell(incidentNote, incident, 'resolved', { incident, service, resolved_at, told: version }),
  ]),
  when(person.mapped, ({ data: { person, identities } }) =>
    identities.map((identity) =>
      tell(identityNote, identity, 'mapped', { identity, person: person.startsWith('person:') ? person : `person:${person}` }),
    ),
  ),
]

/** Under the short id, unless another artifact's release has it. */
const candidate = (digest: string, note: ArtifactNote, holder: Release): readonly Tell[] => {
  const service = serviceOf(note)
  const taken = holder.step !== 'unseen' && holder.artifacts.join() !== digest
  return note.published && service
    ? [tell(release, releaseId([digest], taken ? 16 : 8), 'published', { service, artifacts: [digest] })]
    : []
}

const partTells = (id: string, { part }: ArtifactNote): readonly Tell[] => (part ? [tell(release, id, 'partSeen', part)] : [])
const gateTells = (id: string, note: ArtifactNote): readonly Tell[] => verdictsOf(note).map((seen) => tell(release, id, 'gateSeen', seen))

/** An artifact's note, and what holds the artifact. */
async function aboutArtifact({ data: { artifact } }: Envelope<{ artifact: string }>, read: Read) {
  const note = await read.load(artifactNote, artifact)
  const words = [`artifact ${artifact}`, ...artifactNote.keys.revision(note).map((revision) => `revision ${revision}`)]
  const [releases, deployments, holder] = await Promise.all([
    read.find(release, 'artifact', [artifact]),
    read.find(deployment, 'lookup', words),
    read.load(release, releaseId([artifact])),
  ])
  return { note, releases, holder, around: await surroundingsOf(read, deployments) }
}
type AboutArtifact = Awaited<ReturnType<typeof aboutArtifact>>
const artifactKnown = ({ data: { artifact } }: Envelope<{ artifact: string }>, { note, releases, holder, around }: AboutArtifact) => [
  ...candidate(artifact, note, holder),
  ...releases.flatMap(({ id }) => partTells(id, note)),
  ...around.flatMap(resolve),
]

/** What is known of the artifacts of a release that has just arisen. */
async function aboutRelease({ streamId }: Envelope, read: Read) {
  const { service, artifacts } = await read.load(release, streamId)
  const [notes, { policy }, deployments] = await Promise.all([
    read.loadAll(artifactNote, artifacts),
    read.load(serviceNote, service),
    read.find(deployment, 'artifact', artifacts),
  ])
  return { notes, policy, around: await surroundingsOf(read, deployments) }
}

const mappings = (found: readonly Found<{ readonly person: string }>[]) =>
  found.flatMap(({ id, state: { person } }) => (person ? [{ identity: id, person }] : []))
const personTells = (id: string, persons: ReturnType<typeof mappings>) =>
  persons.length > 0 ? [tell(release, id, 'personsMapped', { persons })] : []

const releases: readonly Reaction[] = [
  when(artifactSaid.observed, aboutArtifact, artifactKnown),
  when(artifactSaid.mapped, aboutArtifact, artifactKnown),
  when(artifactSaid.contained, aboutArtifact, artifactKnown),
  when(
    artifactSaid.gated,
    async ({ data: { artifact } }, read) => ({
      note: await read.load(artifactNote, artifact),
      holders: await read.find(release, 'artifact', [artifact]),
    }),
    (_, { note, holders }) => holders.flatMap(({ id }) => gateTells(id, note)),
  ),
  when(released.created, aboutRelease, ({ streamId }, { notes, policy, around }) => [
    ...(policy ? [tell(release, streamId, 'policySeen', { policy_hash: policy.policy_hash, told: policy.told })] : []),
    ...notes.flatMap(({ state }) => [...partTells(streamId, state), ...gateTells(streamId, state)]),
    ...around.flatMap(resolve),
  ]),
  when(
    serviceSaid.policy,
    ({ data }, read) => read.find(release, 'open', [data.service]),
    ({ data: { policy_hash, told } }, open) => open.map(({ id }) => tell(release, id, 'policySeen', { policy_hash, told })),
  ),
  when(
    released.part_seen,
    ({ data: { contributors } }, read) =>
      read.loadAll(
        identityNote,
        contributors.map(({ actor }) => actor).filter((actor) => actor.startsWith('unmapped:')),
      ),
    ({ streamId }, found) => personTells(streamId, mappings(found)),
  ),
  when(
    identitySaid.mapped,
    async ({ data: { identity } }, read) => ({
      holders: await read.find(release, 'unmapped', [identity]),
      found: await read.loadAll(identityNote, [identity]),
    }),
    (_, { holders, found }) => holders.flatMap(({ id }) => personTells(id, mappings(found))),
  ),
]

const deployments: readonly Reaction[] = [
  when(told.observed, ({ data: { source, deployment: external, repository, share = 1, ...data } }) => [
    tell(deployment, deploymentId(source, external), 'observed', {
      ...data,
      source,
      external,
      share,
      ...(repository ? { repository: repository.full_name } : {}),
    }),
  ]),
  when(
    ran.observed,
    async ({ streamId }, read) => Promise.all((await read.loadAll(deployment, [streamId])).map((found) => surroundings(read, found))),
    (_, around) => around.flatMap(resolve),
  ),
  when(
    serviceSaid.mapped,
    async ({ data }, read) => surroundingsOf(read, await read.find(deployment, 'lookup', lookupsOf(data))),
    (_, around) => around.flatMap(resolve),
  ),
  when(
    ran.succeeded,
    ({ data: { artifact } }, read) => read.find(release, 'artifact', [artifact]),
    ({ streamId, data: { production, artifact, at } }, holders) =>
      production ? [tell(deployment, streamId, 'violated', { reasons: violationsOf(holders, artifact, at), at })] : [],
  ),
]

const theIncident = ({ streamId }: Envelope, read: Read) => read.loadAll(incidentNote, [streamId])
const linked = (_: Envelope, found: Awaited<ReturnType<typeof theIncident>>) => found.flatMap(linksOf)
const blamed = ({ streamId }: Envelope, read: Read) => incidentsFor(read, streamId)
const asFound = (_: Envelope, tells: readonly Tell[]) => tells

const incidents: readonly Reaction[] = [
  when(incidentSaid.attributed, ({ streamId }, read) => deploymentsFor(read, streamId), asFound),
  when(ran.observed, blamed, asFound),
  when(ran.resolved, blamed, asFound),
  when(incidentSaid.declared, theIncident, linked),
  when(incidentSaid.attributed, theIncident, linked),
  when(incidentSaid.resolved, theIncident, linked),
  when(incidentSaid.candidate, theIncident, linked),
]

export const reactions: readonly Reaction[] = [...notes, ...releases, ...deployments, ...incidents]
