import { person as fact } from '@rondo/contracts/gateway'
import { stream } from '@rondo/kernel'

export interface Person {
  readonly person?: string | undefined
  readonly name?: string | undefined
  readonly emails: readonly string[]
  readonly github?: string | undefined
  readonly github_id?: string | undefined
  /** Hashes of every key under which the person is known. */
  readonly identities: readonly string[]
}

interface Put {
  readonly person: string
  readonly name?: string | undefined
  readonly emails: readonly string[]
  readonly github?: string | undefined
  readonly github_id?: string | undefined
  /** Of what is put here; made at the edge, where hashes are made. */
  readonly identities: readonly string[]
}

/** As the actor stands in facts. */
const unmapped = (hash: string) => `unmapped:${hash}`
const hashIn = (actor: string) => actor.slice(unmapped('').length)

/** Who is who. What was `unmapped:<hash>` until now is told as mapped. */
export const person = stream('person', fact, { emails: [], identities: [] } as Person)({
  fold: 1,
  asks: {
    put(known, { identities, emails, ...put }: Put, { actor }) {
      const added = identities.filter((identity) => !known.identities.includes(identity))
      const same = added.length === 0 && known.name === put.name && known.github === put.github && known.github_id === put.github_id
      if (known.person && same && emails.every((email) => known.emails.includes(email))) return []
      return [
        fact.put({ ...put, emails: [...emails], by: actor }),
        ...(added.length > 0 ? [fact.mapped({ person: put.person, identities: added.map(unmapped) })] : []),
      ]
    },
  },
  tells: {},
  evolve: {
    put: (known, { by: _, emails, ...put }) => ({ ...known, ...put, emails: [...new Set([...known.emails, ...emails])] }),
    mapped: (known, { identities }) => ({ ...known, identities: [...new Set([...known.identities, ...identities.map(hashIn)])] }),
  },
  keys: { identity: ({ identities }) => identities, all: ({ person: id }) => (id ? ['person'] : []) },
  // One identity is one person, whoever says so at the same time
  unique: ['identity'],
})
