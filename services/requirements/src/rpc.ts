import { randomUUID } from 'node:crypto'
import { ask, refuse } from '@rondo/kernel'
import type { Requirements } from '@rondo/proto/requirements'
import type { Read } from '@rondo/reaction'
import { type Role, rpcs } from '@rondo/runtime'
import { z } from 'zod'
import { detailsOf, summaryOf } from './answers.ts'
import { backlog } from './backlog.ts'
import { phaseOf, phases } from './phase.ts'
import { originKey, requirement } from './requirement.ts'

const text = z.string().trim().min(1, 'must not be empty').max(500)
const optional = z.string().trim().max(500)
/** It becomes part of addresses, commit messages and record keys. */
const requirementId = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, 'a letter, then up to 99 letters, digits, ".", "_" or "-", such as REQ-1')
const orNone = <S extends z.ZodType<string>>(schema: S) => z.union([z.literal(''), schema])
const id = { requirement_id: requirementId }

const owners: readonly Role[] = ['product_owner']
const everybody: readonly Role[] = ['reporter', 'developer', 'approver', 'operator', 'product_owner', 'auditor']

const freshId = () => `REQ-${randomUUID().slice(-8).toUpperCase()}`
const answer = ({ requirement_id }: { requirement_id: string }, _: string, version: number) => ({
  requirement_id,
  version: String(version),
})

async function found(read: Read, requirementId: string, path: string) {
  const [known] = await read.loadAll(requirement, [requirementId])
  return known?.state.raised ? known : refuse('not_found', `there is no requirement ${requirementId}`, { path })
}

/** Refuses a target that is not there or that leads back: nobody would ever see what was merged. */
async function checkTarget(read: Read, from: string, into: string, seen: readonly string[] = []): Promise<void> {
  const next = (await found(read, into, 'into_requirement_id')).state.merge?.into
  if (next === from || seen.includes(into)) refuse('invalid', `${into} is merged into ${from} already`, { path: 'into_requirement_id' })
  if (next) await checkTarget(read, from, next, [...seen, into])
}

async function originOf(read: Read, { origin_kind, origin_id }: { origin_kind: string; origin_id: string }, actor: string) {
  if (origin_kind !== 'import') return { kind: 'person', id: origin_id || actor } as const
  if (!origin_id) refuse('invalid', 'an import names the issue that it comes from', { path: 'origin_id' })
  const [known] = await read.find(requirement, 'origin', [originKey('import', origin_id)])
  return known
    ? refuse('already_exists', `${origin_id} was imported as ${known.id}`, { path: 'origin_id' })
    : ({ kind: 'import', id: origin_id } as const)
}

export const rpc = rpcs<Requirements>()({
  Raise: {
    roles: ['reporter', 'developer', 'operator', 'product_owner'],
    request: z.strictObject({
      requirement_id: orNone(requirementId),
      title: text,
      service: text,
      origin_kind: z.enum(['', 'person', 'import']),
      origin_id: optional,
    }),
    ask: async ({ requirement_id, title, service, ...origin }, { actor }, read) =>
      ask(requirement, requirement_id || freshId(), 'raise', { title, service, origin: await originOf(read, origin, actor) }),
    answer: (_, requirement_id, version) => ({ requirement_id, version: String(version) }),
  },
  Refine: {
    roles: owners,
    request: z.strictObject({
      ...id,
      goal: text,
      acceptance: z.array(text).min(1, 'at least one criterion').max(100),
      operability: z.strictObject({ owner: optional, runbook: optional, objective: optional }).nullable(),
      designs: z.array(text).max(100),
    }),
    ask: ({ requirement_id, operability, ...refinement }) => {
      const known = Object.entries(operability ?? {}).filter(([, value]) => value)
      return ask(requirement, requirement_id, 'refine', { ...refinement, operability: Object.fromEntries(known) })
    },
    answer,
  },
  MakeReady: {
    roles: owners,
    request: z.strictObject(id),
    ask: ({ requirement_id }) => ask(requirement, requirement_id, 'makeReady'),
    answer,
  },
  Decline: {
    roles: owners,
    request: z.strictObject({ ...id, reason: text }),
    ask: ({ requirement_id, reason }) => ask(requirement, requirement_id, 'decline', { reason }),
    answer,
  },
  Merge: {
    roles: ['product_owner', 'operator'],
    request: z.strictObject({ ...id, into_requirement_id: requirementId, reason: text }),
    ask: async ({ requirement_id, into_requirement_id: into, reason }, _, read) => {
      await found(read, requirement_id, 'requirement_id')
      if (into !== requirement_id) await checkTarget(read, requirement_id, into)
      return ask(requirement, requirement_id, 'merge', { into, reason })
    },
    answer,
  },
  Unmerge: {
    roles: ['product_owner', 'operator'],
    request: z.strictObject(id),
    ask: ({ requirement_id }) => ask(requirement, requirement_id, 'unmerge'),
    answer,
  },
  Split: {
    roles: ['product_owner', 'operator'],
    request: z.strictObject({
      ...id,
      signal_ids: z.array(text).max(500),
      item_ids: z.array(text).max(500),
      incident_ids: z.array(text).max(500),
      to_requirement_id: orNone(requirementId),
      title: optional,
    }),
    ask: async ({ requirement_id, signal_ids, item_ids, incident_ids, to_requirement_id, title }, _, read) => {
      if (to_requirement_id) await found(read, to_requirement_id, 'to_requirement_id')
      const what = { signals: signal_ids, items: item_ids, incidents: incident_ids }
      return ask(requirement, requirement_id, 'split', { ...what, to: to_requirement_id || freshId(), title: title || undefined })
    },
    answer: async ({ requirement_id }, _, version: number, read: Read) => {
      const { split } = await read.load(requirement, requirement_id)
      return { requirement_id, version: String(version), to_requirement_id: split?.to ?? '' }
    },
  },
  Pin: {
    roles: owners,
    request: z.strictObject({ ...id, rank: z.number().int().min(0).max(1_000_000) }),
    ask: ({ requirement_id, rank }) => ask(requirement, requirement_id, 'pin', { rank: rank || null }),
    answer,
  },
  Verify: {
    roles: owners,
    request: z.strictObject({ ...id, reason: optional }),
    ask: ({ requirement_id, reason }) => ask(requirement, requirement_id, 'verify', { reason: reason || undefined }),
    answer,
  },
  Reopen: {
    roles: ['product_owner', 'operator'],
    request: z.strictObject({ ...id, reason: text }),
    ask: ({ requirement_id, reason }) => ask(requirement, requirement_id, 'reopen', { reason }),
    answer,
  },
  GetRequirement: {
    roles: everybody,
    request: z.strictObject(id),
    query: async ({ requirement_id }, read) => detailsOf(await found(read, requirement_id, 'requirement_id')),
  },
  ListRequirements: {
    roles: everybody,
    request: z.strictObject({
      service: optional,
      phase: z.enum(['', 'open', ...phases]),
      order: z.enum(['', 'impact', 'occurred_at', 'occurred_at desc']),
      page_size: z.number().int().min(0).max(500),
      page_token: z.string().max(2000),
    }),
    query: async ({ service, phase, order, page_size, page_token }, read) => {
      const page = await backlog(read, { service, phase, order: order || 'impact', pageSize: page_size || 50, pageToken: page_token })
      const shown = page.items.filter(({ state }) => phaseOf(state) !== 'unseen')
      return { requirements: shown.map(summaryOf), next_page_token: page.nextPageToken }
    },
  },
})
