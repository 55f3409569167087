import type { Contributor } from '@rondo/contracts/values'

export type Role = Contributor['role']

/** Somebody who contributed, once, with all roles. */
export interface Eyes {
  readonly actor: string
  readonly roles: readonly Role[]
  readonly shown?: string | undefined
  /** A person, or a machine that has a token of its own. Anything else blocks. */
  readonly known: boolean
}

export interface Known {
  /** Unmapped identity → person, as mapped since the contributors were recorded. */
  readonly persons: Readonly<Record<string, string>>
  /** Identities that somebody vouched for. */
  readonly waived: readonly string[]
}

export const isPerson = (actor: string): boolean => actor.startsWith('person:')

const isKnown = (actor: string): boolean => isPerson(actor) || actor.startsWith('service:')

/** Persons are compared, and a person's id is an address more often than not: its case tells nothing. */
const folded = (actor: string): string => (isPerson(actor) ? actor.toLowerCase() : actor)

/** Each contributor once, as a person where that is known by now. */
export function contributorsOf(contributors: readonly Contributor[], persons: Known['persons']): readonly Eyes[] {
  const found = new Map<string, Eyes>()
  for (const { actor, role, shown } of contributors) {
    const who = persons[actor] ?? actor
    const before = found.get(folded(who))
    const roles = [...new Set([...(before?.roles ?? []), role])].sort()
    found.set(folded(who), { actor: before?.actor ?? who, roles, shown: before?.shown ?? shown, known: isKnown(who) })
  }
  return [...found.values()].sort((a, b) => (a.actor < b.actor ? -1 : 1))
}

export interface Sight {
  /** In which roles the approver contributed; none: four eyes. */
  readonly roles: readonly Role[]
  /** Contributors that nobody can identify or vouched for: one of them may be the approver. */
  readonly unknown: readonly Eyes[]
}

/** Whether an approver is somebody else than everybody who contributed. A platform's own committer is no contributor. */
export function fourEyes(approver: string, contributors: readonly Contributor[], { persons, waived }: Known): Sight {
  const all = contributorsOf(contributors, persons)
  return {
    roles: all.find(({ actor }) => folded(actor) === folded(approver))?.roles ?? [],
    unknown: all.filter(({ actor, known }) => !known && !waived.includes(actor)),
  }
}

/** In words, for whoever has to map or waive it. */
export function unknownInWords({ actor, roles, shown }: Eyes): string {
  const who = actor === 'unknown:deleted-account' ? 'unknown (deleted account)' : (shown ?? actor)
  return `a contributor cannot be identified: ${who}${who === actor ? '' : ` [${actor}]`}, ${roles.join(', ')}; map it to a person or waive it`
}
