import { ask, DomainError } from '@rondo/kernel'
import type { People } from '@rondo/proto/intake'
import { rpcs } from '@rondo/runtime'
import { z } from 'zod'
import { hashOf, keysOf } from './identity.ts'
import { person } from './person.ts'

/** Every key that the request names; a person's id that is an address counts as one. */
const hashesOf = ({
  person: id,
  emails,
  github,
  github_id,
}: {
  person: string
  emails: readonly string[]
  github: string
  github_id: string
}): string[] => {
  const addresses = id.includes('@') ? [id, ...emails] : emails
  const keys = [...keysOf({ login: github || null, id: github_id || null }), ...addresses.flatMap((email) => keysOf({ email }))]
  return [...new Set(keys)].map(hashOf)
}

export const peopleRpc = rpcs<People>()({
  PutPerson: {
    roles: ['admin'],
    request: z.strictObject({
      person: z.string().regex(/^[^\s:]{1,200}$/, 'an id without spaces and colons, such as ada@example.org'),
      name: z.string().max(200),
      emails: z.array(z.email('an e-mail address')).max(50),
      github: z.string().max(100),
      github_id: z.string().regex(/^\d*$/, 'the number of the account'),
    }),
    ask: async (request, _, read) => {
      const identities = hashesOf(request)
      const others = (await read.find(person, 'identity', identities)).filter(({ id }) => id !== request.person)
      if (others[0])
        throw new DomainError('already_exists', `one of these identities belongs to ${others.map(({ id }) => id).join(', ')} already`, {
          path: 'emails',
        })
      const { person: id, name, emails, github, github_id } = request
      return ask(person, id, 'put', {
        person: id,
        emails,
        identities,
        ...(name ? { name } : {}),
        ...(github ? { github } : {}),
        ...(github_id ? { github_id } : {}),
      })
    },
    answer: ({ person: id }, _, version) => ({ actor: `person:${id}`, version: String(version) }),
  },
  ListPersons: {
    roles: ['admin', 'auditor'],
    request: z.strictObject({ page_size: z.number().int().max(500), page_token: z.string() }),
    query: async ({ page_size, page_token }, read) => {
      const { items, nextPageToken } = await read.list(person, { pageSize: page_size || 50, pageToken: page_token })
      const persons = items.map(({ id, state }) => ({
        person: id,
        name: state.name ?? '',
        emails: [...state.emails],
        github: state.github ?? '',
        github_id: state.github_id ?? '',
      }))
      return { persons, next_page_token: nextPageToken }
    },
  },
})
