import { change as fact } from '@rondo/contracts/builds'
import type { Contributor, Repository as Named } from '@rondo/contracts/values'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { contributorsOf } from './contributors.ts'
import { references } from './references.ts'
import { repositoryId } from './repository.ts'
import { earliest, later, type Seen, same, union } from './seen.ts'

interface MergeRequest {
  readonly number: number
  readonly state: 'open' | 'merged' | 'closed'
  readonly title: string
  readonly head: string
  readonly merge_sha?: string | undefined
  readonly implements: readonly string[]
  readonly mentions: readonly string[]
}
/** A commit, as far as anybody told; the stream's id is its sha. */
export interface Change {
  readonly recorded: boolean
  readonly subject?: string | undefined
  readonly committed_at?: Instant | undefined
  readonly repositories: readonly string[]
  /** Absent: not told, which is not "none". */
  readonly parents?: readonly string[] | undefined
  readonly reaches: readonly string[]
  readonly shallow: boolean
  readonly patch_id?: string | undefined
  readonly contributors: readonly Contributor[]
  readonly implements: readonly string[]
  readonly mentions: readonly string[]
  readonly reverts: readonly string[]
  readonly picked_from: readonly string[]
  /** By repository and number. */
  readonly merge_requests: Readonly<Record<string, Seen<MergeRequest>>>
}
type Recorded = DataOf<typeof fact.recorded>
type MergeRequested = DataOf<typeof fact.merge_request>

const requests = ({ merge_requests }: Change) => Object.values(merge_requests).map(({ value }) => value)
/** Of the commit and of its merge requests. */
export const implementedBy = (change: Change): readonly string[] =>
  [...new Set([...change.implements, ...requests(change).flatMap((one) => one.implements)])].sort()
export const mentionedBy = (change: Change): readonly string[] => {
  const implemented = implementedBy(change)
  return [...new Set([...change.mentions, ...requests(change).flatMap((one) => one.mentions)])]
    .filter((id) => !implemented.includes(id))
    .sort()
}

export function phaseOf(change: Change): string {
  if (change.recorded) return 'recorded'
  const states = requests(change).map(({ state }) => state)
  if (states.includes('merged')) return 'merged'
  return states.includes('open') ? 'proposed' : states.length > 0 ? 'closed' : 'unseen'
}

function recorded(change: Change, data: Recorded): Change {
  return {
    ...change,
    recorded: true,
    // one commit has one message; were a sender to cut it, any order ends with the same one
    subject: (change.recorded && (change.subject ?? '') > data.subject ? change.subject : data.subject) ?? data.subject,
    committed_at: earliest(change.recorded ? change.committed_at : undefined, data.committed_at),
    repositories: union(change.repositories, [data.repository_id], 50),
    parents: data.parents && (!change.parents || change.parents.length < data.parents.length) ? data.parents : change.parents,
    reaches: union(change.reaches, data.reaches, 3000),
    // seen whole once, it is known whole
    shallow: data.parents === undefined ? change.shallow : change.parents === undefined ? data.shallow : change.shallow && data.shallow,
    patch_id: change.patch_id && data.patch_id ? earliest(change.patch_id, data.patch_id) : (data.patch_id ?? change.patch_id),
    contributors: contributorsOf(change.contributors, data.contributors),
    implements: union(change.implements, data.implements, 100),
    mentions: union(change.mentions, data.mentions, 100),
    reverts: union(change.reverts, data.reverts, 100),
    picked_from: union(change.picked_from, data.picked_from, 100),
  }
}

function mergeRequested(change: Change, data: MergeRequested, at: Instant): Change {
  const key = `${data.repository_id}!${data.number}`
  const { number, state, title, head, merge_sha, implements: named, mentions } = data
  const request = later(
    change.merge_requests[key],
    { number, state, title, head, ...(merge_sha ? { merge_sha } : {}), implements: named, mentions },
    at,
  )
  return {
    ...change,
    repositories: union(change.repositories, [data.repository_id], 50),
    contributors: contributorsOf(change.contributors, data.contributors),
    merge_requests: request ? { ...change.merge_requests, [key]: request } : change.merge_requests,
  }
}

export interface Observed {
  readonly repository: Named
  readonly sha: string
  readonly parents?: readonly string[] | undefined
  readonly reaches?: readonly string[] | undefined
  readonly shallow?: boolean | undefined
  readonly patch_id?: string | undefined
  readonly message: string
  readonly committed_at: Instant
  readonly contributors: readonly Contributor[]
}
function recordedOf({ repository, sha, parents, reaches, shallow, patch_id, message, committed_at, contributors }: Observed): Recorded {
  const { implements: named, mentions, reverts, picked_from } = references(message)
  return {
    repository,
    repository_id: repositoryId(repository),
    sha,
    ...(parents ? { parents: [...parents] } : {}),
    reaches: [...(reaches ?? [])],
    shallow: shallow ?? false,
    ...(patch_id ? { patch_id } : {}),
    subject: message.split('\n', 1)[0]?.slice(0, 500) ?? '',
    committed_at,
    contributors: [...contributors],
    implements: [...named],
    mentions: [...mentions],
    reverts: [...reverts],
    picked_from: [...picked_from],
  }
}

export interface MergeRequestObserved {
  readonly repository: Named
  readonly number: number
  readonly state: 'open' | 'merged' | 'closed'
  readonly title: string
  readonly body?: string | undefined
  readonly head: string
  readonly merge_sha?: string | undefined
  readonly contributors: readonly Contributor[]
}
/** A platform names a trial merge while a request is open: only a real merge is a commit of the branch. */
export const mergedAs = ({ state, merge_sha, head }: MergeRequestObserved): string => (state === 'merged' && merge_sha ? merge_sha : head)

function mergeRequestOf(observed: MergeRequestObserved): MergeRequested {
  const { repository, number, state, title, body, head, merge_sha, contributors } = observed
  const { implements: named, mentions } = references(`${title}\n\n${body ?? ''}`)
  return {
    sha: mergedAs(observed),
    number,
    state,
    title: title.slice(0, 500),
    head,
    ...(state === 'merged' && merge_sha ? { merge_sha } : {}),
    contributors: [...contributors],
    implements: [...named],
    mentions: [...mentions],
    repository,
    repository_id: repositoryId(repository),
  }
}

const initial: Change = {
  recorded: false,
  repositories: [],
  reaches: [],
  shallow: false,
  contributors: [],
  implements: [],
  mentions: [],
  reverts: [],
  picked_from: [],
  merge_requests: {},
}

export const change = stream(
  'change',
  fact,
  initial,
)({
  fold: 1,
  asks: {},
  tells: {
    observed: (change, observed: Observed) => {
      const data = recordedOf(observed)
      return same(recorded(change, data), change) ? [] : [fact.recorded(data)]
    },
    mergeRequest: (change, observed: MergeRequestObserved, { at }) => {
      const data = mergeRequestOf(observed)
      return same(mergeRequested(change, data, at), change) ? [] : [fact.merge_request(data)]
    },
  },
  evolve: {
    recorded: (change, data) => recorded(change, data),
    merge_request: (change, data, { at }) => mergeRequested(change, data, at),
  },
  phase: phaseOf,
  closed: ['recorded', 'closed'],
  keys: {},
  loops: (change) => implementedBy(change),
})
