import { item as ownItem, notice as ownNotice, turn as ownTurn } from '@rondo/contracts/feedback'
import { issue } from '@rondo/contracts/intake'
import { service } from '@rondo/contracts/operations'
import { requirement } from '@rondo/contracts/requirements'
import { type DataOf, type Envelope, type FactType, type Tell, tell } from '@rondo/kernel'
import { type Reaction, type Read, when } from '@rondo/reaction'
import { item, requestersOf, requirementsOf } from './item.ts'
import { notice, noticeId } from './notice.ts'
import { published } from './published.ts'
import { isErased, requester } from './requester.ts'
import { type Decision, outcomesOf, runningArtifact, type Turn, turn } from './turn.ts'
import { releaseNames, repositories } from './views/names.ts'

/** The repository's id outlives a rename. */
const issueId = ({ host, id, full_name }: { host: string; id?: string | undefined; full_name: string }, number: number) =>
  `${host}/${id ?? full_name}#${number}`

const fromIntake: readonly Reaction[] = [
  when(
    issue.observed,
    ({ data }, read) => read.view(repositories).serviceOf(data.repository.full_name),
    ({ data: { repository, number, title, body, reporter, url } }, service) => {
      const id = issueId(repository, number)
      const text = (body ? `${title}\n\n${body}` : title).slice(0, 5000)
      const issue = { text, requester: reporter, service, external: url ?? id, repository: repository.full_name }
      return [tell(item, id, 'issueObserved', issue)]
    },
  ),
  when(issue.commented, ({ data: { repository, number, comment, body, author } }) => [
    tell(item, issueId(repository, number), 'issueCommented', { comment, text: body, by: author }),
  ]),
]

const fromOperations: readonly Reaction[] = [
  when(
    service.put,
    ({ data }, read) => (data.repositories.length > 0 ? read.find(item, 'unplaced', data.repositories) : Promise.resolve([])),
    ({ data }, waiting) => waiting.map(({ id }) => tell(item, id, 'serviceFound', { service: data.service })),
  ),
]

const decided = <Data>(fact: FactType<string, Data>, decision: Decision, reason: (data: Data) => string): Reaction =>
  when(fact, ({ streamId, data }) => [tell(turn, streamId, 'decided', { decision, reason: reason(data) })])
const moved = (fact: typeof requirement.entered | typeof requirement.left, inside: boolean): Reaction =>
  when(
    fact as FactType<string, DataOf<typeof requirement.entered>>,
    ({ streamId, data: { service, environment, artifact, production, at, basis } }) =>
      production ? [tell(turn, streamId, 'moved', { place: `${service}/${environment}`, artifact, inside, at, basis })] : [],
  )

/** Copies what those who asked have to be told of; and items follow what is split and merged. */
const fromRequirements: readonly Reaction[] = [
  when(requirement.raised, ({ streamId, data: { title, service } }) => [tell(turn, streamId, 'raised', { title, service })]),
  when(requirement.dated_back, ({ streamId, data: { title, service } }) => [tell(turn, streamId, 'raised', { title, service })]),
  decided(requirement.verified, 'verified', ({ reason = '' }) => reason),
  decided(requirement.reopened, 'reopened', ({ reason }) => reason),
  decided(requirement.declined, 'declined', ({ reason }) => reason),
  decided(requirement.merged, 'merged', ({ into, reason }) => `${into}: ${reason}`),
  decided(requirement.unmerged, 'unmerged', () => ''),
  moved(requirement.entered, true),
  moved(requirement.left, false),
  when(requirement.requested, ({ streamId, data: { item: id, requester, moved_from } }) => [
    tell(item, id, 'requirementKnown', { requirement: streamId, requester, moved: moved_from !== undefined }),
  ]),
  when(requirement.split, ({ streamId, data: { items } }) =>
    items.map((id) => tell(item, id, 'requirementLost', { requirement: streamId })),
  ),
]

interface Waiting {
  readonly requirement: string
  readonly turn: Turn
  readonly release: string | undefined
  readonly requesters: readonly string[]
}

/** Who waits for the requirement, erased requesters left out: all of its items, or the requesters named. */
async function waiting(read: Read, requirement: string, named?: readonly string[]): Promise<Waiting> {
  const state = await read.load(turn, requirement)
  const requesters = named ?? (await read.find(item, 'requirement', [requirement])).flatMap((found) => requestersOf(found.state))
  const erased = new Set(
    (await read.loadAll(requester, [...new Set(requesters)])).filter((found) => isErased(found.state)).map(({ id }) => id),
  )
  const artifact = runningArtifact(state)
  const release = artifact ? await read.view(releaseNames).nameOf(artifact) : undefined
  return { requirement, turn: state, release, requesters: [...new Set(requesters)].filter((id) => !erased.has(id)).sort() }
}

const texts = {
  verified: (title: string, { release }: Waiting) => `"${title}" is verified in production${release ? `, in ${release}` : ''}`,
  declined: (title: string, { turn }: Waiting) => `"${title}" was declined: ${turn.decisions.declined?.reason ?? ''}`,
  merged: (title: string, { turn }: Waiting) => `"${title}" is now part of ${turn.decisions.merged?.reason ?? ''}`,
}

/** Whichever comes second, the outcome or the requester, finds the first. */
function noticesFor(who: Waiting): readonly Tell[] {
  const { requirement, turn, requesters, release } = who
  return outcomesOf(turn).flatMap((kind) =>
    requesters.map((requester) => {
      const text = texts[kind](turn.titled?.title ?? requirement, who).slice(0, 500)
      return tell(notice, noticeId(requirement, requester), 'due', {
        requirement,
        requester,
        kind,
        text,
        ...(kind === 'verified' && release && { release }),
      })
    }),
  )
}

const ofTurn = ({ streamId }: Envelope, read: Read) => waiting(read, streamId)

const fromFeedback: readonly Reaction[] = [
  when(ownTurn.decided, ofTurn, (_, who) => noticesFor(who)),
  when(ownTurn.moved, ofTurn, (_, who) => noticesFor(who)),
  when(
    ownItem.linked,
    ({ data }, read) => waiting(read, data.requirement, [data.requester, ...data.voters]),
    (_, who) => noticesFor(who),
  ),
  when(
    ownItem.voted,
    async ({ streamId, data }, read) => {
      const requirements = requirementsOf(await read.load(item, streamId))
      return Promise.all(requirements.map((requirement) => waiting(read, requirement, [data.requester])))
    },
    ({ data }, all) => [tell(requester, data.requester, 'seen'), ...all.flatMap(noticesFor)],
  ),
  when(ownItem.submitted, ({ data }) => [tell(requester, data.requester, 'seen')]),
  // The feedback stream is how it is delivered: the line is published by the same fact
  when(ownNotice.due, ({ streamId, data: { kind } }) => [tell(notice, streamId, 'deliver', { kind, via: 'feedback stream' })]),
]

export const reactions: readonly Reaction[] = [...fromIntake, ...fromOperations, ...fromRequirements, ...fromFeedback, ...published]
