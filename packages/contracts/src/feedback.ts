import { facts } from '@rondo/kernel'
import { z } from 'zod'
import { actor, digest, instant, name, personal } from './values.ts'

export const item = facts('rondo.feedback.item', {
  /** Who reported is a requester id; address and name are kept outside of the events and can be erased. */
  submitted: z.object({
    item: name,
    service: name.optional(),
    text: personal(z.string().min(1).max(5000)),
    requester: name,
    channel: z.enum(['api', 'issue', 'form']),
    version: z.string().optional(),
    external: z.string().optional(),
    repository: name.optional(),
  }),
  /** Which service it is about was found after it came. */
  placed: z.object({ service: name }),
  commented: z.object({ item: name, comment: name, text: personal(z.string()), by: actor }),
  linked: z.object({ item: name, requirement: name, requester: name, voters: z.array(name), by: actor }),
  /** The requirement gave the item away (split, or a merge taken back). */
  unlinked: z.object({ item: name, requirement: name }),
  /** No requirement fits: one is asked for. */
  asked_for: z.object({ item: name, title: name, service: name, requester: name, voters: z.array(name), by: actor }),
  /** With the requirements that the item is linked to. */
  voted: z.object({ item: name, requester: name, requirements: z.array(name) }),
  answered: z.object({ item: name, by: actor, text: z.string().min(1).max(5000) }),
})

export const requester = facts('rondo.feedback.requester', {
  known: z.object({ requester: name }),
  erased: z.object({ requester: name, by: actor }),
})

export const notice = facts('rondo.feedback.notice', {
  /** Each kind is told once to each requester of a requirement. */
  due: z.object({
    notice: name,
    requirement: name,
    requester: name,
    kind: z.enum(['verified', 'declined', 'merged']),
    text: name,
    release: z.string().optional(),
  }),
  delivered: z.object({ notice: name, kind: z.enum(['verified', 'declined', 'merged']), via: name }),
})

/** What has to be known of a requirement to tell those who asked for it; copied from its own facts. */
export const turn = facts('rondo.feedback.turn', {
  titled: z.object({ requirement: name, title: name, service: name }),
  decided: z.object({
    requirement: name,
    decision: z.enum(['verified', 'reopened', 'declined', 'merged', 'unmerged']),
    reason: z.string(),
  }),
  /** Production places, service and environment; `at` orders them. */
  moved: z.object({ requirement: name, place: name, artifact: digest, inside: z.boolean(), at: instant, basis: z.number().int() }),
})

/** The feedback stream: what production and customers say and what became of it, in one order. */
export const entry = facts('rondo.feedback.entry', {
  published: z.object({
    entry: name,
    kind: z.enum(['feedback', 'signal', 'incident', 'requirement', 'release', 'proof', 'notice']),
    service: z.string(),
    title: z.string(),
    text: personal(z.string()),
    requirement: z.string().optional(),
    phase: z.string().optional(),
    /** The fact that it tells of. */
    about: name,
    at: instant,
  }),
})
