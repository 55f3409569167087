import { artifact, placement, repositoryFacts as repository } from '@rondo/contracts/builds'
import { alert, errors } from '@rondo/contracts/intake'
import * as own from '@rondo/contracts/operations'
import { deployment, handover } from '@rondo/contracts/releases'
import { requirement } from '@rondo/contracts/requirements'
import { type FactType, type Instant, tell } from '@rondo/kernel'
import { type Reaction, when } from '@rondo/reaction'
import { aliveTell, homeOf, mappedHome, wordTells } from './alerts.ts'
import { incident, suspectsOf } from './incident.ts'
import { latestOf } from './moments.ts'
import { bounded, errorsFingerprint, errorsSignalId, hashOf, placeKey, problemOf, runningId, unmappedId, whereKey } from './names.ts'
import { measurements, movable, openings, openingsOf } from './openings.ts'
import { isRunning, proof } from './proof.ts'
import { leftSince, running, runningAt, soleArtifact } from './running.ts'
import { service, serviceOf } from './service-entry.ts'
import { signal } from './signal.ts'
import { endedUnnamed, groupKey, source } from './source.ts'
import { traffic } from './traffic.ts'
import { type Kind, unmapped } from './unmapped.ts'

interface Heard {
  readonly service: string
  readonly environment: string
  readonly problem: string
  readonly signal: string
  readonly kind?: 'alert' | 'errors' | undefined
  readonly fingerprint?: string | undefined
  readonly source: string
  readonly episode: Instant
  readonly group_key?: string | undefined
}

const afterCut = <Data extends Heard>(fact: FactType<string, Data>) =>
  when(
    fact,
    ({ data }, read) => read.load(source, data.source),
    ({ data }, sender) => {
      const cut = data.group_key ? endedUnnamed(sender, data.group_key, data.fingerprint ?? '') : undefined
      return cut ? [tell(signal, data.signal, 'groupCut', { source: data.source, at: cut.at, left_out: cut.left_out })] : []
    },
  )

/** An alert that fires (again) counts for the proofs at its place. */
const rings = <Data extends Heard>(fact: FactType<string, Data>) =>
  when(
    fact,
    async ({ data, occurredAt }, read) => {
      const proofs = data.kind === 'errors' ? [] : await read.find(proof, 'place', [placeKey(data)])
      return measurements(
        read,
        proofs.filter((one) => movable(one, 1)),
        latestOf(occurredAt, data.episode),
      )
    },
    (_, tells) => tells,
  )

/** Whatever changes what counts: look again. */
const lookAgain = <Data extends { readonly proof: string }>(fact: FactType<string, Data>) =>
  when(
    fact,
    async ({ data, occurredAt }, read) => measurements(read, await read.loadAll(proof, [data.proof]), occurredAt),
    (_, tells) => tells,
  )

/** A deployment beside a signal that lasts. */
const markedBy = <
  Data extends {
    readonly service: string
    readonly environment: string
    readonly deployment: string
    readonly artifact: string
    readonly at: Instant
  },
>(
  fact: FactType<string, Data>,
) =>
  when(
    fact,
    ({ data }, read) => read.find(signal, 'lasting', [whereKey(data)]),
    ({ data: { deployment, artifact, at } }, lasting) => lasting.map(({ id }) => tell(signal, id, 'marked', { deployment, artifact, at })),
  )

const alerts: readonly Reaction[] = [
  when(
    alert.observed,
    ({ data }, read) => homeOf(read, data),
    ({ data, recordedAt }, home) => {
      // Who does not say when it was heard: when it came to the bus
      const { annotations, labels, url: _url, heard_at = recordedAt, ...word } = data
      const title = bounded(annotations.summary || labels.alertname || data.fingerprint)
      return [aliveTell(data.source, heard_at), ...wordTells({ ...word, labels, title, said_at: heard_at }, home)]
    },
  ),

  when(alert.cut, ({ data: { source: sender, group_labels: _labels, ...cut }, occurredAt }) => [
    aliveTell(sender, occurredAt),
    tell(source, sender, 'cut', cut),
  ]),

  /** The cut message and the alert may come in any order: each is recorded, and the later one finds the other. */
  when(
    own.source.cut,
    async ({ data }, read) => (data.status === 'resolved' ? read.find(signal, 'group', [groupKey(data.source, data.group_key)]) : []),
    ({ data, occurredAt: at }, members) =>
      members
        .filter(({ state }) => !data.listed.includes(state.about?.fingerprint ?? ''))
        .map(({ id }) => tell(signal, id, 'groupCut', { source: data.source, at, left_out: data.left_out })),
  ),
  afterCut(own.signal.opened),
  afterCut(own.signal.observed),
  afterCut(own.signal.repeated),
  afterCut(own.signal.end_withdrawn),
]

const counts: readonly Reaction[] = [
  when(
    errors.reported,
    ({ data }, read) => read.load(running, runningId(data)),
    ({ data }, there) => {
      const { error_class, title, event_ids = [], ...report } = data
      const place = { service: data.service, environment: data.environment, problem: problemOf(data.service, error_class) }
      const recorded = tell(traffic, hashOf(placeKey(place)), 'reported', { ...report, ...place, event_ids, ...(title ? { title } : {}) })
      if (data.events === 0) return [recorded]
      const fingerprint = errorsFingerprint(data.service, data.environment, error_class)
      const served = data.artifact ?? soleArtifact(there, data)
      const word = {
        ...place,
        kind: 'errors' as const,
        fingerprint,
        title: bounded(title ?? error_class),
        source: data.source,
        episode: data.from,
        artifact: served,
        said_at: data.to,
      }
      return [recorded, tell(signal, errorsSignalId(fingerprint), 'fires', word)]
    },
  ),

  when(
    own.traffic.reported,
    async ({ data, occurredAt }, read) => {
      const proofs = await read.find(proof, 'place', [placeKey(data)])
      return measurements(
        read,
        proofs.filter((one) => movable(one, data.events)),
        latestOf(occurredAt, data.to),
      )
    },
    (_, tells) => tells,
  ),

  rings(own.signal.opened),
  rings(own.signal.observed),

  /** A sign of life of a sender of alerts is exposure. */
  when(
    own.source.seen,
    async ({ data, occurredAt }, read) =>
      measurements(read, await read.find(proof, 'lives_by', ['hours']), latestOf(occurredAt, data.heard_at ?? occurredAt)),
    (_, tells) => tells,
  ),
]

const proofs: readonly Reaction[] = [
  when(placement.changed, ({ data, version: told }) => {
    const { service, environment, artifact, revision, deployment, share, since, entered, left, contains, changes_entered } = data
    const placed = {
      service,
      environment,
      artifact,
      deployment,
      share,
      since,
      entered,
      left,
      contains,
      changes_entered,
      told,
      ...(revision ? { revision } : {}),
    }
    return [tell(running, runningId(data), 'placed', placed)]
  }),

  when(
    own.running.changed,
    async ({ data }, read) => {
      const concerned = await read.find(proof, 'unsettled', [...new Set([...data.contains, ...data.left])])
      const here = concerned.filter(({ state: { opened } }) => opened?.service === data.service && opened.environment === data.environment)
      const again = here.flatMap(({ state }) => (isRunning(state) ? [] : (state.opened?.requirement ?? [])))
      const candidates = [...new Set([...data.entered, ...again])].filter((id) => data.contains.includes(id))
      const opened = await Promise.all(candidates.map((id) => openings(read, id, data)))
      return { here: here.filter(({ state }) => isRunning(state)), opened: opened.flat() }
    },
    ({ data: { artifact, since: at, contains, left } }, { here, opened }) => [
      ...here
        .filter(({ state }) => contains.includes(state.opened?.requirement ?? ''))
        .map(({ id }) => tell(proof, id, 'entered', { artifact, at })),
      ...here.filter(({ state }) => left.includes(state.opened?.requirement ?? '')).map(({ id }) => tell(proof, id, 'left', { at })),
      ...opened,
    ],
  ),

  when(
    own.signal.requirement_linked,
    async ({ data }, read) => {
      const [{ about }, linked] = await Promise.all([read.load(signal, data.signal), read.find(signal, 'requirement', [data.requirement])])
      return about ? openingsOf(read, data.requirement, about, linked) : []
    },
    (_, tells) => tells,
  ),

  lookAgain(own.proof.opened),
  /** Opened when the fix was gone already. */
  when(
    own.proof.opened,
    ({ data }, read) => read.load(running, runningId(data)),
    ({ data }, there) => {
      const at = leftSince(there, data.requirement)
      return at ? [tell(proof, data.proof, 'left', { at })] : []
    },
  ),
  lookAgain(own.proof.entered),
  lookAgain(own.proof.attributed),
  lookAgain(own.proof.extended),
  when(
    own.proof.due,
    async ({ data, occurredAt }, read) =>
      measurements(read, await read.loadAll(proof, [data.proof]), latestOf(occurredAt, data.deadline_at)),
    (_, tells) => tells,
  ),

  when(
    own.proof.judged,
    async ({ data }, read) => (data.verdict === 'verified' ? (await read.load(proof, data.proof)).opened?.signals : undefined) ?? [],
    ({ data }, signals) => signals.map((id) => tell(signal, id, 'proven', { proof: data.proof, at: data.after.to })),
  ),

  when(
    requirement.named,
    ({ streamId }, read) => read.find(proof, 'requirement', [streamId]),
    ({ data: { sha } }, attempts) => attempts.map(({ id }) => tell(proof, id, 'fixNamed', { sha })),
  ),
  /** The change may have been seen running before anybody said what it is for. */
  when(
    own.proof.fix_named,
    async ({ data }, read) => {
      const { opened } = await read.load(proof, data.proof)
      return opened ? openings(read, data.requirement, opened) : []
    },
    (_, tells) => tells,
  ),
]

const requirements: readonly Reaction[] = [
  when(
    requirement.raised,
    async ({ data: { origin } }, read) => (origin.kind === 'signal' ? read.loadAll(signal, [origin.id]) : []),
    ({ streamId }, found) => found.map(({ id }) => tell(signal, id, 'linked', { requirement: streamId })),
  ),
  when(requirement.joined, ({ data, streamId }) => [tell(signal, data.signal, 'linked', { requirement: streamId })]),
  when(
    requirement.merged,
    ({ streamId }, read) => read.find(signal, 'requirement', [streamId]),
    ({ data }, signals) => signals.map(({ id }) => tell(signal, id, 'linked', { requirement: data.into })),
  ),
  when(
    requirement.unmerged,
    ({ streamId }, read) => read.find(signal, 'once', [streamId]),
    ({ data, streamId }, signals) =>
      signals
        .filter(({ state }) => state.links.some(({ requirement }) => requirement === data.from))
        .map(({ id }) => tell(signal, id, 'linked', { requirement: streamId })),
  ),
  when(requirement.split, ({ data, streamId }) =>
    data.signals.flatMap((id) => [
      tell(signal, id, 'unlinked', { requirement: streamId }),
      tell(signal, id, 'linked', { requirement: data.to }),
    ]),
  ),
]

const seen = (kind: Kind, name: string, reason: string) => tell(unmapped, unmappedId(kind, name), 'seen', { kind, name, reason })

const catalog: readonly Reaction[] = [
  when(handover.accepted, ({ data: { service: id, release, team, by } }) => [tell(service, id, 'ownerAccepted', { release, team, by })]),
  when(repository.unmapped, ({ data }) => [seen('repository', data.repository.full_name, data.reason)]),
  when(artifact.unmapped, ({ data }) => [seen('artifact', data.name, data.reason)]),
  when(deployment.unmapped, ({ data }) => [seen('deployment', data.name, data.reason)]),

  when(
    own.unmapped.mapped,
    async ({ data, streamId }, read) => {
      const { words } = await read.load(unmapped, streamId)
      return Promise.all(words.map(async (word) => ({ word, home: await mappedHome(read, data.service, word.labels) })))
    },
    ({ data: { kind, name, service: id, by } }, words) => [
      tell(service, id, 'mapped', { kind, name, by }),
      ...words.flatMap(({ word, home }) => wordTells(word, home)),
    ],
  ),

  /** The catalog has learned: what waited for a person may have found its home. */
  when(
    own.service.put,
    async ({ data }, read) => {
      const { items } = await read.list(unmapped, { phase: 'unmapped', pageSize: 200 })
      const entry = await read.load(service, data.service)
      return items.filter(({ state }) => {
        if (state.kind === 'repository') return data.repositories.includes(state.name ?? '')
        if (state.kind === 'artifact') return data.artifacts.includes(state.name ?? '')
        return state.words.some(({ labels }) => serviceOf(labels, [{ id: data.service, state: entry }]).id !== undefined)
      })
    },
    ({ data }, found) => found.map(({ id }) => tell(unmapped, id, 'foundIn', { service: data.service, by: data.by })),
  ),
]

const near = 24 * 3_600_000

const marks: readonly Reaction[] = [
  markedBy(deployment.succeeded),
  markedBy(deployment.rolled_back),
  when(
    own.signal.opened,
    ({ data }, read) => read.load(running, runningId(data)),
    ({ data }, there) =>
      runningAt(there, data.episode)
        .filter(({ placement }) => Date.parse(data.episode) - Date.parse(placement.since) <= near)
        .map(({ placement: { deployment, artifact, since } }) => tell(signal, data.signal, 'marked', { deployment, artifact, at: since })),
  ),

  when(
    own.incident.declared,
    ({ data }, read) => read.load(running, runningId(data)),
    ({ data }, there) => [tell(incident, data.incident, 'suspected', { suspects: suspectsOf(there, data.began_at) })],
  ),
  when(
    own.running.changed,
    async ({ data }, read) => ({
      there: await read.load(running, runningId(data)),
      open: await read.find(incident, 'where', [whereKey(data)]),
    }),
    ({ data }, { there, open }) =>
      open
        .filter(({ state }) => (state.declared?.began_at ?? '') >= data.since)
        .map(({ id, state }) => tell(incident, id, 'suspected', { suspects: suspectsOf(there, state.declared?.began_at ?? '') })),
  ),
]

export const reactions: readonly Reaction[] = [...alerts, ...counts, ...proofs, ...requirements, ...catalog, ...marks]
