import { randomUUID } from 'node:crypto'
import { entry as entryFact } from '@rondo/contracts/feedback'
import { ask, type Envelope, refuse } from '@rondo/kernel'
import type { Feedback } from '@rondo/proto/feedback'
import type { Found } from '@rondo/reaction'
import { type Caller, cursorOf, positionOf, type Role, rpcs } from '@rondo/runtime'
import { z } from 'zod'
import { entryKinds, type Line } from './entry.ts'
import { type Item, item, itemPhase, itemPhases, requirementsOf, serviceOf } from './item.ts'
import { type Notice, notice } from './notice.ts'
import { requester } from './requester.ts'
import type { Outcome } from './turn.ts'
import { type Contact, contacts, eraseContact, putContact } from './views/contacts.ts'

const text = z.string().trim().min(1, 'must not be empty').max(500)
const long = z.string().trim().min(1, 'must not be empty').max(5000)
const optional = z.string().trim().max(500)
const order = z.enum(['', 'occurred_at', 'occurred_at desc'])
const page = { order, page_size: z.number().int().min(0).max(500), page_token: z.string().max(2000) }
const newItemId = z.union([
  z.literal(''),
  z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, 'a letter, then up to 99 letters, digits, ".", "_" or "-"'),
])

const everybody: readonly Role[] = ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor']
const triage: readonly Role[] = ['product_owner', 'operator']

type Given = NonNullable<Feedback['Submit']['request']['contact']>
const isGiven = (contact: Given | null): contact is Given => contact !== null && (contact.name !== '' || contact.address !== '')
/** Whoever may submit brings the first contact of a requester; another one is for the requester or these to bring. */
const replacers: readonly Role[] = ['product_owner', 'admin']
const mayReplace = (requester: string, { actor, roles }: Caller) => actor === requester || roles.some((role) => replacers.includes(role))
/** Of an own contact only: whoever may not replace another's must not learn by guessing what it is. */
const outcomeOf = ({ name, address }: Given, known: Contact, actor: string) =>
  known.given_by === actor && known.name === name && known.address === address ? 'stored' : 'kept'

type ItemMessage = NonNullable<Feedback['GetItem']['response']['item']>
function shown({ id, version, state }: Found<Item>): ItemMessage {
  const comments = Object.entries(state.comments).toSorted(([, a], [, b]) => (a.at < b.at ? -1 : 1))
  return {
    item_id: id,
    phase: itemPhase(state),
    service: serviceOf(state) ?? '',
    text: state.latest?.text ?? '',
    requester_id: state.first?.requester ?? '',
    channel: state.first?.channel ?? '',
    version_used: state.latest?.version ?? '',
    external: state.first?.external ?? '',
    requirement_ids: [...requirementsOf(state)],
    votes: state.voters.length,
    comments: comments.map(([comment_id, comment]) => ({ comment_id, ...comment })),
    answer: state.answer?.text ?? '',
    submitted_at: state.first?.at ?? '',
    version: String(version),
  }
}

type NoticeMessage = Feedback['ListNotices']['response']['notices'][number]
function noticesOf({ id, state }: Found<Notice>): readonly NoticeMessage[] {
  const { requirement = '', requester = '', due, delivered } = state
  return (Object.keys(due) as Outcome[]).flatMap((kind) => {
    const { at = '', text = '', release = '' } = due[kind] ?? {}
    const { at: delivered_at = '', via = '' } = delivered[kind] ?? {}
    return [{ notice_id: id, requirement_id: requirement, requester_id: requester, kind, text, release, due_at: at, delivered_at, via }]
  })
}

const itemAnswer = ({ item_id }: { item_id: string }, _: string, version: number) => ({ item_id, version: String(version) })
const paged = ({
  order,
  page_size,
  page_token,
}: {
  order: '' | 'occurred_at' | 'occurred_at desc'
  page_size: number
  page_token: string
}) => ({
  order: order || ('occurred_at desc' as const),
  pageSize: page_size || 50,
  ...(page_token && { pageToken: page_token }),
})

export const rpc = rpcs<Feedback>()({
  Submit: {
    roles: everybody,
    request: z.strictObject({
      item_id: newItemId,
      service: text,
      text: long,
      requester_id: optional,
      contact: z.strictObject({ name: optional, address: optional }).nullable(),
      channel: z.enum(['', 'api', 'form']),
      version: optional,
    }),
    ask: ({ item_id, service, text, requester_id, channel, version }, { actor }) =>
      ask(item, item_id || `FB-${randomUUID().slice(-8).toUpperCase()}`, 'submit', {
        service,
        text,
        requester: requester_id || actor,
        channel: channel || 'api',
        ...(version && { version }),
      }),
    beside: async (sql, { requester_id, contact }, caller) => {
      const requester = requester_id || caller.actor
      if (isGiven(contact)) await putContact(sql, requester, { ...contact, given_by: caller.actor }, mayReplace(requester, caller))
    },
    answer: async ({ requester_id, contact }, item_id, version, read, { actor }) => {
      const known = isGiven(contact) && (await read.view(contacts).of(requester_id || actor))
      return { item_id, version: String(version), contact: contact && known ? outcomeOf(contact, known, actor) : '' }
    },
  },
  Link: {
    roles: triage,
    request: z.strictObject({ item_id: text, requirement_id: text }),
    ask: ({ item_id, requirement_id }) => ask(item, item_id, 'link', { requirement: requirement_id }),
    answer: itemAnswer,
  },
  AskFor: {
    roles: triage,
    request: z.strictObject({ item_id: text, title: optional, service: optional }),
    ask: ({ item_id, title, service }) => ask(item, item_id, 'askFor', { title: title || undefined, service: service || undefined }),
    answer: itemAnswer,
  },
  Vote: {
    roles: everybody,
    request: z.strictObject({ item_id: text, requester_id: optional }),
    ask: ({ item_id, requester_id }, { actor }) => ask(item, item_id, 'vote', { requester: requester_id || actor }),
    answer: itemAnswer,
  },
  Answer: {
    roles: triage,
    request: z.strictObject({ item_id: text, text: long }),
    ask: ({ item_id, text }) => ask(item, item_id, 'answer', { text }),
    answer: itemAnswer,
  },
  GetItem: {
    roles: everybody,
    request: z.strictObject({ item_id: text }),
    query: async ({ item_id }, read) => {
      const [found] = await read.loadAll(item, [item_id])
      return found?.state.first ? { item: shown(found) } : refuse('not_found', `there is no item ${item_id}`, { path: 'item_id' })
    },
  },
  ListItems: {
    roles: everybody,
    request: z.strictObject({ service: optional, phase: z.enum(['', ...itemPhases]), requirement_id: optional, ...page }),
    query: async ({ service, phase, requirement_id, ...rest }, read) => {
      const keys = { submitted: 'submitted', ...(service && { service }), ...(requirement_id && { requirement: requirement_id }) }
      const { items, nextPageToken } = await read.list(item, { ...paged(rest), keys, ...(phase && { phase }) })
      return { items: items.map(shown), next_page_token: nextPageToken }
    },
  },
  ListNotices: {
    roles: [...triage, 'auditor'],
    request: z.strictObject({ requirement_id: optional, requester_id: optional, ...page }),
    query: async ({ requirement_id, requester_id, ...rest }, read) => {
      const keys = { ...(requirement_id && { requirement: requirement_id }), ...(requester_id && { requester: requester_id }) }
      const { items, nextPageToken } = await read.list(notice, { ...paged(rest), keys })
      return { notices: items.flatMap(noticesOf), next_page_token: nextPageToken }
    },
  },
  EraseRequester: {
    roles: triage,
    request: z.strictObject({ requester_id: text }),
    ask: ({ requester_id }) => ask(requester, requester_id, 'erase'),
    // also what was given since the last erasure, by a report whose requester is not known again yet
    beside: (sql, { requester_id }) => eraseContact(sql, requester_id),
    answer: ({ requester_id }, _, version) => ({ requester_id, version: String(version) }),
  },
  Subscribe: {
    roles: everybody,
    request: z.strictObject({
      service: optional,
      kinds: z.array(z.enum(entryKinds)).max(entryKinds.length),
      requirement_id: optional,
      cursor: z.string().max(200),
      from: z.enum(['', 'now', 'start']),
      until_head: z.boolean(),
    }),
    untilHead: ({ until_head }) => until_head,
    follow: [entryFact.published],
    after: ({ cursor, from }, head) => (cursor ? positionOf(cursor, head) : from === 'start' ? 0 : undefined),
    emit: ({ service, kinds, requirement_id }, event, epoch) => {
      const { position, data } = event as Envelope<Line & { entry: string; at: string }>
      const wanted =
        (!service || data.service === service) &&
        (kinds.length === 0 || kinds.includes(data.kind)) &&
        (!requirement_id || data.requirement === requirement_id)
      if (!wanted) return undefined
      const { entry: entry_id, kind, service: of, title, text, requirement = '', phase = '', about, at } = data
      return {
        cursor: cursorOf(epoch, position),
        entry_id,
        kind,
        service: of,
        title,
        text,
        requirement_id: requirement,
        phase,
        about,
        occurred_at: at,
      }
    },
  },
})
