import { createHash } from 'node:crypto'

/** Who somebody is at a platform or in a commit; any of it may be missing. */
export interface Identity {
  readonly email?: string | null | undefined
  readonly login?: string | null | undefined
  readonly id?: number | string | null | undefined
  readonly name?: string | null | undefined
}

const noreply = /^(?:(\d+)\+)?([^@]+)@users\.noreply\.github\.com$/
const platformAccounts = new Set(['email:noreply@github.com', 'github:web-flow', 'github-id:19864447'])

/** All the keys under which the identity may be known, the strongest first; spelling folded. */
export function keysOf({ email, login, id }: Identity): readonly string[] {
  const address = email?.trim().toLowerCase()
  const [, noreplyId, noreplyLogin] = (address && noreply.exec(address)) || []
  const keys = [
    id != null && `github-id:${id}`,
    noreplyId && `github-id:${noreplyId}`,
    login && `github:${login.trim().toLowerCase()}`,
    noreplyLogin && `github:${noreplyLogin}`,
    address && !noreplyLogin && `email:${address}`,
  ]
  return [...new Set(keys.filter((key) => typeof key === 'string'))]
}

/** The platform's own committer is nobody. */
export const isPlatform = (identity: Identity): boolean => keysOf(identity).some((key) => platformAccounts.has(key))

/** What stands in facts for somebody not yet mapped; the address itself does not. */
export const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 20)

export const deletedAccount = 'unknown:deleted-account'

/** The actor by what is known of persons (hash of a key → person id). Undefined: nobody. */
export function actorOf(identity: Identity | null, persons: ReadonlyMap<string, string>): string | undefined {
  if (!identity) return deletedAccount
  if (isPlatform(identity)) return undefined
  const hashes = keysOf(identity).map(hashOf)
  const person = hashes.map((hash) => persons.get(hash)).find((found) => found !== undefined)
  if (person) return `person:${person}`
  return hashes[0] ? `unmapped:${hashes[0]}` : deletedAccount
}
