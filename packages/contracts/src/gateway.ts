import { facts } from '@rondo/kernel'
import { z } from 'zod'
import { actor, name, personal } from './values.ts'

export const person = facts('rondo.gateway.person', {
  put: z.object({
    person: name,
    name: personal(z.string()).optional(),
    emails: z.array(personal(z.string())),
    github: personal(z.string()).optional(),
    github_id: z.string().optional(),
    by: actor,
  }),
  /** Actors that were `unmapped:<hash>` until now and are this person. */
  mapped: z.object({ person: name, identities: z.array(actor) }),
})

export const refusal = facts('rondo.gateway.refusal', {
  recorded: z.object({ source: name, delivery: name, code: z.string(), path: z.string(), reason: z.string(), raw: personal(z.string()) }),
  /** The same (source, id) with another content; the first stands. */
  conflicted: z.object({ source: name, id: name, raw: personal(z.string()) }),
})
