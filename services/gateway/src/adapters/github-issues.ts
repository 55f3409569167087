import { issue as issueFacts, release as releaseFacts } from '@rondo/contracts/intake'
import { z } from 'zod'
import { deletedAccount, type Identity } from '../identity.ts'
import { type Observed, read, time, type Who } from './adapter.ts'
import { account, repositorySchema } from './github-code.ts'
import { type Delivery, unsupportedAction } from './github-delivery.ts'

const person = (who: Who, identity: Identity | null) => who(identity) ?? deletedAccount

const issueSchema = z.looseObject({
  action: z.string(),
  repository: repositorySchema,
  issue: z.looseObject({
    number: z.number().int(),
    title: z.string(),
    body: z.string().nullish(),
    state: z.enum(['open', 'closed']).default('open'),
    user: account.nullable(),
    labels: z.array(z.looseObject({ name: z.string() })).default([]),
    html_url: z.string().optional(),
    updated_at: time,
  }),
})

export function issue({ id, body, who }: Delivery): readonly Observed[] {
  const { action, issue: reported, repository: known } = read(issueSchema, body)
  if (action === 'deleted' || action === 'transferred')
    unsupportedAction('issues', action, ['opened', 'edited', 'closed', 'reopened', 'labeled', 'unlabeled', 'assigned'])
  const { repository, source } = known
  const { number, title, state, labels, html_url, updated_at } = reported
  const fact = issueFacts.observed({
    repository,
    number,
    state,
    title,
    ...(reported.body ? { body: reported.body } : {}),
    reporter: person(who, reported.user),
    labels: labels.map((label) => label.name),
    ...(html_url ? { url: html_url } : {}),
  })
  return [{ source, id, subject: `${repository.full_name}/issues/${number}`, at: updated_at, fact }]
}

const commentSchema = z.looseObject({
  action: z.string(),
  repository: repositorySchema,
  issue: z.looseObject({ number: z.number().int() }),
  comment: z.looseObject({ id: z.number(), body: z.string(), user: account.nullable(), html_url: z.string().optional(), updated_at: time }),
})

export function issueComment({ id, body, who }: Delivery): readonly Observed[] {
  const { action, comment, issue: of, repository: known } = read(commentSchema, body)
  if (action === 'deleted') unsupportedAction('issue_comment', action, ['created', 'edited'])
  const { repository, source } = known
  const fact = issueFacts.commented({
    repository,
    number: of.number,
    comment: String(comment.id),
    body: comment.body,
    author: person(who, comment.user),
    ...(comment.html_url ? { url: comment.html_url } : {}),
  })
  return [{ source, id, subject: `${repository.full_name}/issues/${of.number}`, at: comment.updated_at, fact }]
}

const releaseSchema = z.looseObject({
  action: z.string(),
  repository: repositorySchema,
  release: z.looseObject({
    tag_name: z.string().min(1),
    name: z.string().nullish(),
    draft: z.boolean().default(false),
    prerelease: z.boolean().default(false),
    html_url: z.string().optional(),
    created_at: time,
    published_at: time.nullish(),
  }),
})

export function release({ id, body }: Delivery): readonly Observed[] {
  const { action, release: page, repository: known } = read(releaseSchema, body)
  const { repository, source } = known
  const state = action === 'deleted' ? 'deleted' : page.draft ? 'draft' : page.prerelease ? 'prerelease' : 'published'
  const fact = releaseFacts.observed({
    repository,
    tag: page.tag_name,
    state,
    ...(page.name ? { title: page.name } : {}),
    ...(page.html_url ? { url: page.html_url } : {}),
  })
  return [{ source, id, subject: `${repository.full_name}/releases/${page.tag_name}`, at: page.published_at ?? page.created_at, fact }]
}
