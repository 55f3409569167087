import { change, gate, placement } from '@rondo/contracts/builds'
import { item } from '@rondo/contracts/feedback'
import { issue } from '@rondo/contracts/intake'
import { incident, proof, signal } from '@rondo/contracts/operations'
import { requirement as own } from '@rondo/contracts/requirements'
import { type Envelope, type Tell, tell } from '@rondo/kernel'
import { type Found, type Reaction, type Read, when } from '@rondo/reaction'
import { belonging, type Evidences, idsOf } from './evidence.ts'
import type { Requirement } from './phase.ts'
import { movedKey, originKey, requirement } from './requirement.ts'
import type { Moving } from './tells.ts'

/** Readable and the same in every replay: `REQ-` and the end of the causing event's id, as much of it as nobody else has. */
async function newId(read: Read, cause: string, which = ''): Promise<string> {
  const hex = cause.replaceAll('-', '').toUpperCase()
  const candidates = [8, 12, 16, hex.length].map((digits) => `REQ-${hex.slice(-digits)}${which}`)
  const taken = new Set((await read.loadAll(requirement, candidates)).filter(({ state }) => state.raised).map(({ id }) => id))
  return candidates.find((id) => !taken.has(id)) ?? `REQ-${hex}${which}`
}

/** Where something of this origin belongs: the requirement that it raised, or a new one. */
async function homeOf(read: Read, event: Envelope, kind: string, origin: string, which = ''): Promise<string> {
  const [known, unused] = await Promise.all([homeOfOrigin(read, kind, origin), newId(read, event.id, which)])
  return known ?? unused
}

const homeOfOrigin = async (read: Read, kind: string, origin: string): Promise<string | undefined> =>
  (await read.find(requirement, 'origin', [originKey(kind, origin)]))[0]?.id

/** One that is merged comes first: its evidence is passed on from there, so that a merge can be taken back. */
const first = (found: readonly Found<Requirement>[]) => (found.find(({ state }) => state.merge?.into) ?? found[0])?.id

async function homeOfSignals(read: Read, signals: readonly string[], problem: string | undefined): Promise<string | undefined> {
  const [bySignal, byProblem] = await Promise.all([
    signals.length > 0 ? read.find(requirement, 'signal', signals) : [],
    problem ? read.find(requirement, 'problem', [problem]) : [],
  ])
  return first(bySignal) ?? byProblem[0]?.id
}

type Sighting = Envelope<{ signal: string; problem: string; service: string; title: string; episode: string }>
/** What may be needed is read at once: it is the way of each alert, and a question more costs more than one that was not needed. */
const signalHome = async ({ id, data }: Sighting, read: Read) => {
  const [known, unused] = await Promise.all([homeOfSignals(read, [data.signal], data.problem), newId(read, id)])
  return known ?? unused
}
const signalSeen = ({ data: { signal, problem, service, title, episode } }: Sighting, home: string) => [
  tell(requirement, home, 'signalOpened', { signal, problem, service, title, episode }),
]

/** Signals and incidents raise or join; proofs decide. */
const fromOperations: readonly Reaction[] = [
  when(signal.opened, signalHome, signalSeen),
  when(signal.observed, signalHome, signalSeen),

  when(
    incident.declared,
    async (event, read) => {
      const { incident, signals, problem } = event.data
      const [byOrigin, bySignal, unused] = await Promise.all([
        homeOfOrigin(read, 'incident', incident),
        homeOfSignals(read, signals, problem),
        newId(read, event.id),
      ])
      return byOrigin ?? bySignal ?? unused
    },
    ({ data: { incident, signals, title, service, problem } }, home) => [
      tell(requirement, home, 'incidentDeclared', { incident, signals, title, service, problem }),
    ],
  ),
  when(
    incident.reviewed,
    (event, read) =>
      Promise.all(
        event.data.follow_ups.map(({ id }, index) => homeOf(read, event, 'review', `${event.data.incident}/${id}`, `-${index + 1}`)),
      ),
    ({ data: { incident, service, follow_ups } }, homes) =>
      follow_ups.flatMap(({ id, title }, index) => {
        const home = homes[index]
        return home ? [tell(requirement, home, 'followUp', { origin: `${incident}/${id}`, title, service })] : []
      }),
  ),

  when(proof.opened, ({ data: { proof, requirement: id, environment } }) => [tell(requirement, id, 'proofOpened', { proof, environment })]),
  when(proof.judged, ({ data: { proof, requirement: id, verdict, reason } }) => [
    tell(requirement, id, 'proofJudged', { proof, verdict, reason }),
  ]),
  when(proof.recurred, ({ data: { proof, requirement: id, signal } }) => [tell(requirement, id, 'proofRecurred', { proof, signal })]),
]

const named = (ids: readonly string[], sha: string, repository: string, at: string) =>
  ids.map((id) => tell(requirement, id, 'changeNamed', { sha, repository, at }))

/** Changes name it, artifacts carry it, environments run it. */
const fromBuilds: readonly Reaction[] = [
  when(change.recorded, ({ data: { implements: ids, sha, repository, committed_at } }) =>
    named(ids, sha, repository.full_name, committed_at),
  ),
  when(change.merge_request, ({ data: { implements: ids, state, head, merge_sha, repository }, occurredAt }) =>
    state === 'closed' ? [] : named(ids, merge_sha ?? head, repository.full_name, occurredAt),
  ),
  when(gate.decided, ({ data: { requirements, artifact, revision, release_allowed: allowed, verdict, reasons } }) =>
    requirements.map((id) => tell(requirement, id, 'gateDecided', { artifact, revision, allowed, verdict, reasons })),
  ),
  when(
    placement.changed,
    // A further change of the same requirement moves it too, although it neither entered nor left; and so does a better informed word about the same time
    async ({ data: { service, environment, since, changes_entered, changes_left } }, read) => [
      ...(await read.find(requirement, 'change', [...changes_entered, ...changes_left])),
      ...(await read.find(requirement, 'moved', [movedKey({ service, environment, at: since })])),
    ],
    ({ data: { service, environment, artifact, production, since: at, basis = 0, entered, left, contains } }, moved) => {
      const inside = new Set([...entered, ...contains])
      const ids = [...new Set([...entered, ...left, ...moved.map(({ id }) => id)])]
      return ids.map((id) =>
        tell(requirement, id, inside.has(id) ? 'entered' : 'left', { service, environment, artifact, production, at, basis }),
      )
    },
  ),
]

/** Who asks is counted; what nobody has yet is raised. */
const fromFeedback: readonly Reaction[] = [
  when(item.linked, ({ data: { item, requirement: id, requester, voters } }) => [
    tell(requirement, id, 'feedbackLinked', { item, requesters: [requester, ...voters] }),
  ]),
  when(item.voted, ({ data: { item, requester, requirements } }) =>
    requirements.map((id) => tell(requirement, id, 'feedbackLinked', { item, requesters: [requester] })),
  ),
  when(
    item.asked_for,
    (event, read) => homeOf(read, event, 'feedback', event.data.item),
    ({ data: { item, title, service, requester, voters } }, home) => [
      tell(requirement, home, 'feedbackAskedFor', { item, title, service, requesters: [requester, ...voters] }),
    ],
  ),
]

/** An issue with this label is a requirement; its service is the label `service:<name>`, else the repository's short name. */
const importLabel = 'requirement'
const fromIntake: readonly Reaction[] = [
  when(
    issue.observed,
    async (event, read) => {
      const { repository, number, labels } = event.data
      const origin = `${repository.host}/${repository.id ?? repository.full_name}#${number}`
      return labels.includes(importLabel) ? { origin, home: await homeOf(read, event, 'import', origin) } : undefined
    },
    ({ data: { labels, title, repository } }, found) => {
      if (!found) return []
      const labelled = labels.find((label) => label.startsWith('service:'))?.slice('service:'.length)
      const service = labelled || repository.full_name.split('/').at(-1) || repository.full_name
      return [tell(requirement, found.home, 'importedIssue', { origin: found.origin, title, service })]
    },
  ),
]

interface Selection {
  readonly signals?: readonly string[]
  readonly items?: readonly string[]
  readonly incidents?: readonly string[]
}
/** What moves, with all that the other requirement needs to know of it. */
function moving(
  from: string,
  { signals, requests, incidents, raised }: Requirement,
  { signals: s = [], items = [], incidents: i = [] }: Selection,
): Moving {
  const of = (evidences: Evidences, ids: readonly string[]) =>
    Object.entries(evidences.seen).filter(([id, { item }]) => ids.includes(item ?? id))
  return {
    from,
    signals: of(signals, s).map(([signal, { problem = '', last }]) => ({ signal, problem, service: raised?.service ?? '', episode: last })),
    requests: of(requests, items).flatMap(([, { item, requester }]) => (item && requester ? [{ item, requester }] : [])),
    incidents: of(incidents, i).map(([incident, { signals = [] }]) => ({ incident, signals })),
  }
}
const allOf = ({ signals, requests, incidents }: Requirement): Selection => ({
  signals: idsOf(signals),
  items: belonging(requests).flatMap(([, { item }]) => item ?? []),
  incidents: idsOf(incidents),
})

const self = ({ streamId }: Envelope, read: Read) => read.load(requirement, streamId)
/** What is told to one that is merged counts where it was merged into. */
const passOn = ({ streamId }: Envelope, state: Requirement, selection: Selection): readonly Tell[] =>
  state.merge?.into ? [tell(requirement, state.merge.into, 'receive', moving(streamId, state, selection))] : []

/** Moves between requirements: recorded at the one, then told to the other. */
const fromRequirements: readonly Reaction[] = [
  when(own.merged, self, (event, state) => passOn(event, state, allOf(state))),
  when(own.joined, self, (event, state) => passOn(event, state, { signals: [event.data.signal] })),
  when(own.requested, self, (event, state) => passOn(event, state, { items: [event.data.item] })),
  when(own.incident_joined, self, (event, state) => passOn(event, state, { incidents: [event.data.incident] })),
  when(own.unmerged, ({ streamId, data: { from } }) => [tell(requirement, from, 'giveBack', { to: streamId })]),
  when(own.split, self, ({ streamId, data: { to, title, signals, items, incidents, by } }, state) => {
    const origin = signals[0] ? ({ kind: 'signal', id: signals[0] } as const) : ({ kind: 'person', id: by } as const)
    const raise = state.raised && { title: title ?? state.raised.title, service: state.raised.service, origin }
    return [tell(requirement, to, 'receive', { ...moving(streamId, state, { signals, items, incidents }), raise })]
  }),
]

export const reactions: readonly Reaction[] = [...fromOperations, ...fromBuilds, ...fromFeedback, ...fromIntake, ...fromRequirements]
