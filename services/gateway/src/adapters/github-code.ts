import { change, mergeRequest, ref } from '@rondo/contracts/intake'
import type { Contributor } from '@rondo/contracts/values'
import { type Instant, toInstant } from '@rondo/kernel'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { type Observed, read, time, type Who } from './adapter.ts'
import type { Delivery } from './github-delivery.ts'

const zeros = /^0+$/
const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'a full commit id of 40 or 64 hex digits')

export const repositorySchema = z
  .looseObject({
    id: z.number(),
    full_name: z.string().min(1),
    html_url: z.url(),
    default_branch: z.string().optional(),
    /** Epoch seconds in a push, text elsewhere. */
    pushed_at: z.union([z.number(), z.string(), z.null()]).optional(),
  })
  .transform(({ id, full_name, html_url, default_branch, pushed_at }) => ({
    source: html_url,
    pushed_at,
    repository: { host: new URL(html_url).host, full_name, id: String(id), ...(default_branch ? { default_branch } : {}) },
  }))

/** An account; null once it was deleted. */
export const account = z
  .looseObject({ login: z.string(), id: z.number(), email: z.string().nullish(), name: z.string().nullish() })
  .transform(({ login, id, email, name }): Identity => ({ login, id, email, name }))
const gitPerson = z
  .looseObject({ name: z.string().nullish(), email: z.string().nullish(), username: z.string().nullish() })
  .transform(({ name, email, username }): Identity => ({ name, email, login: username }))

export type Role = Contributor['role']

/** The contributors in their roles, each once a role; nobody is left out but a platform's own account. */
export function contributors(who: Who, people: readonly (readonly [Role, Identity | null])[]): Contributor[] {
  const found = people.flatMap(([role, identity]) => {
    const actor = who(identity)
    const shown = identity?.name ?? identity?.login ?? undefined
    return actor ? [{ actor, role, ...(shown ? { shown } : {}) }] : []
  })
  return found.filter(({ actor, role }, at) => found.findIndex((other) => other.actor === actor && other.role === role) === at)
}

const coAuthor = /^co-authored-by:\s*(.+?)\s*<([^<>]+)>\s*$/gim
/** `Co-authored-by:` trailers of a message. */
export const coAuthors = (message: string): (readonly ['co_author', Identity])[] =>
  [...message.matchAll(coAuthor)].map(([, name, email]) => ['co_author', { name, email }] as const)

const pushed = z.looseObject({
  ref: z.string().min(1),
  before: sha,
  after: sha,
  created: z.boolean().optional(),
  deleted: z.boolean().optional(),
  forced: z.boolean().optional(),
  repository: repositorySchema,
  pusher: z.looseObject({ name: z.string().optional(), email: z.string().nullish() }).optional(),
  sender: account.nullish(),
  head_commit: z.looseObject({ id: sha, timestamp: time }).nullish(),
  commits: z
    .array(
      z.looseObject({
        id: sha,
        message: z.string(),
        timestamp: time,
        author: gitPerson.nullable(),
        committer: gitPerson.nullable(),
        url: z.string().optional(),
      }),
    )
    .default([]),
})
type Push = z.output<typeof pushed>
type Commit = Push['commits'][number]

/** Where the push stands in time: its head's commit time is not it, but the platform gives no better one. */
function pushTime({ repository: { pushed_at }, head_commit }: Push): Instant {
  if (typeof pushed_at === 'number') return toInstant(new Date(pushed_at * 1000))
  return head_commit?.timestamp ?? toInstant(new Date(0))
}

export function push({ id, body, who }: Delivery): readonly Observed[] {
  const event = read(pushed, body)
  const { repository, source } = event.repository
  const kind = event.ref.startsWith('refs/tags/') ? 'tag' : 'branch'
  const name = event.ref.replace(/^refs\/(heads|tags)\//, '')
  const deleted = event.deleted ?? zeros.test(event.after)
  // An annotated tag's `after` is the tag object, which is no commit
  const target = deleted ? undefined : (event.head_commit?.id ?? event.after)
  const object = kind === 'tag' && target && target !== event.after ? event.after : undefined
  const moved = ref.observed({ repository, name, kind, deleted, ...(target ? { target } : {}), ...(object ? { object } : {}) })
  return [
    { source, id, subject: `${repository.full_name}/${event.ref}`, at: pushTime(event), fact: moved },
    ...event.commits.map((commit) => committed(event, commit, { id, who, branch: kind === 'branch' ? name : undefined })),
  ]
}

/** A push does not say the parents; that its head reaches all it carried, and what was there before, it does. */
function committed(event: Push, commit: Commit, { id, who, branch }: { id: string; who: Who; branch: string | undefined }): Observed {
  const { repository, source } = event.repository
  const head = commit.id === event.after
  const before = event.forced || zeros.test(event.before) ? [] : [event.before]
  const pusher: Identity = event.sender ?? { login: event.pusher?.name, email: event.pusher?.email }
  const fact = change.observed({
    repository,
    sha: commit.id,
    ...(head ? { reaches: [...event.commits.map((other) => other.id).filter((other) => other !== commit.id), ...before] } : {}),
    message: commit.message,
    committed_at: commit.timestamp,
    contributors: contributors(who, [
      ['author', commit.author],
      ...coAuthors(commit.message),
      ['committer', commit.committer],
      ['pusher', pusher],
    ]),
    ...(branch ? { branch } : {}),
    ...(commit.url ? { url: commit.url } : {}),
  })
  return { source, id: `${id}#${commit.id}`, subject: commit.id, at: commit.timestamp, fact }
}

const pulled = z.looseObject({
  action: z.string(),
  number: z.number().int(),
  repository: repositorySchema,
  pull_request: z.looseObject({
    state: z.enum(['open', 'closed']),
    title: z.string(),
    body: z.string().nullish(),
    user: account.nullable(),
    merged: z.boolean().nullish(),
    merged_at: time.nullish(),
    merged_by: account.nullish(),
    merge_commit_sha: sha.nullish(),
    updated_at: time,
    html_url: z.string().optional(),
    head: z.looseObject({ sha }),
    base: z.looseObject({ ref: z.string() }),
  }),
})

export function pullRequest({ id, body, who }: Delivery): readonly Observed[] {
  const { number, pull_request: pull, repository: known } = read(pulled, body)
  const { repository, source } = known
  const merged = pull.merged === true || Boolean(pull.merged_at)
  // An open one carries the id of a trial merge that never becomes history
  const merge_sha = merged ? pull.merge_commit_sha : undefined
  const fact = mergeRequest.observed({
    repository,
    number,
    state: merged ? 'merged' : pull.state,
    title: pull.title,
    ...(pull.body ? { body: pull.body } : {}),
    head: pull.head.sha,
    base_branch: pull.base.ref,
    ...(merge_sha ? { merge_sha } : {}),
    contributors: contributors(who, [['author', pull.user], ...(merged ? [['merger', pull.merged_by ?? null] as const] : [])]),
    ...(pull.html_url ? { url: pull.html_url } : {}),
  })
  return [{ source, id, subject: `${repository.full_name}/pull/${number}`, at: pull.merged_at ?? pull.updated_at, fact }]
}
