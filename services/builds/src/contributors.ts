import type { Contributor } from '@rondo/contracts/values'

/** Each person once in each role, in a stable order. */
export function contributorsOf(...groups: readonly (readonly Contributor[])[]): readonly Contributor[] {
  const all = new Map<string, Contributor>()
  for (const one of groups.flat()) {
    const key = `${one.actor} ${one.role}`
    const known = all.get(key)
    if (!known || (one.shown ?? '') > (known.shown ?? '')) all.set(key, one)
  }
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

/** The persons behind actors that were mapped since. */
export const identified = (contributors: readonly Contributor[], persons: ReadonlyMap<string, string>): readonly Contributor[] =>
  contributorsOf(contributors.map((one) => ({ ...one, actor: persons.get(one.actor) ?? one.actor })))

/** Those nobody can compare with a person: they block four eyes until somebody maps them. */
export const unidentified = (contributors: readonly Contributor[]): readonly Contributor[] =>
  contributors.filter(({ actor }) => actor.startsWith('unmapped:') || actor.startsWith('unknown:'))
