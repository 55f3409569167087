import type { Read } from '@rondo/reaction'
import type { Who } from './adapters/adapter.ts'
import { actorOf, hashOf, type Identity, keysOf } from './identity.ts'
import { person } from './person.ts'

const nobody: ReadonlyMap<string, string> = new Map()

/** What the adapter makes with nobody known (the same whoever is mapped when), and with the persons known now. */
export interface Resolved<T> {
  readonly unresolved: T
  readonly resolved: T
}

/** Runs a pure adapter with the persons that its identities turn out to be. */
export async function withPersons<T>(read: Read, adapt: (who: Who) => T): Promise<Resolved<T>> {
  const met: Identity[] = []
  const unresolved = adapt((identity) => {
    if (identity) met.push(identity)
    return actorOf(identity, nobody)
  })
  const hashes = [...new Set(met.flatMap(keysOf).map(hashOf))]
  if (hashes.length === 0) return { unresolved, resolved: unresolved }
  const found = await read.find(person, 'identity', hashes)
  const persons = new Map(found.flatMap(({ id, state }) => state.identities.map((hash) => [hash, id] as const)))
  return { unresolved, resolved: persons.size > 0 ? adapt((identity) => actorOf(identity, persons)) : unresolved }
}
