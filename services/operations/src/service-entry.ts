import { service as fact } from '@rondo/contracts/operations'
import { type Instant, refuse, stream } from '@rondo/kernel'
import type { z } from 'zod'
import { hashOf } from './names.ts'

const put = fact.put.schema
type Put = z.infer<typeof put>
export type Entry = Omit<Put, 'by'>

interface Declared {
  readonly owner: string
  readonly at: Instant
}
interface Accepted {
  readonly owner: string
  readonly since: Instant
  readonly accepted_by: string
  readonly release?: string | undefined
}
export interface Catalogued {
  /** The latest put, by when it happened. */
  readonly entry?: Entry
  readonly at?: Instant
  /** What the puts said, earliest first. */
  readonly declared: readonly Declared[]
  readonly accepted: readonly Accepted[]
}
export interface Owner {
  readonly owner: string
  readonly since: Instant
  readonly accepted_by: string
  readonly release: string
}

/** Long histories are cut at the old end. */
const kept = 500

/** Owners over time. A put that repeats the owner of the put before it changes nobody: an accepted hand-over stands. */
export function owners({ declared, accepted }: Catalogued): readonly Owner[] {
  const changed = declared.filter(({ owner }, index) => index === 0 || declared[index - 1]?.owner !== owner)
  const moves: Owner[] = [
    ...changed.map(({ owner, at }) => ({ owner, since: at, accepted_by: '', release: '' })),
    ...accepted.map(({ release, ...one }) => ({ ...one, release: release ?? '' })),
  ].sort((a, b) => (a.since === b.since ? (a.accepted_by < b.accepted_by ? -1 : 1) : a.since < b.since ? -1 : 1))
  return moves.filter(({ owner }, index) => index === 0 || moves[index - 1]?.owner !== owner)
}

/** Exactly one from the first on; none before. */
export const ownerAt = (catalogued: Catalogued, at: Instant): Owner | undefined => owners(catalogued).findLast(({ since }) => since <= at)

export const phaseOf = ({ entry }: Catalogued) => (entry ? 'catalogued' : 'unseen')

const byTime = <T>(items: readonly T[], at: (item: T) => string, same: (a: T, b: T) => boolean): readonly T[] =>
  items
    .filter((item, index) => items.findIndex((other) => same(item, other)) === index)
    .sort((a, b) => (at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
    .slice(-kept)

/** Which list of the catalog a kind of unmapped thing is added to. */
const lists = { repository: 'repositories', artifact: 'artifacts' } as const

export interface Mapping {
  readonly kind: string
  readonly name: string
  readonly by: string
}

const same = (a: unknown, b: unknown) => hashOf(JSON.stringify(a)) === hashOf(JSON.stringify(b))
const parsed = (entry: Entry): Entry => {
  const { by: _, ...rest } = put.parse({ ...entry, by: 'service:operations' })
  return rest
}

export const service = stream('service', fact, { declared: [], accepted: [] } as Catalogued)({
  fold: 1,

  asks: {
    put(known, entry: Entry, { actor }) {
      return known.entry && same(known.entry, parsed(entry)) ? [] : [fact.put({ ...entry, by: actor })]
    },
  },

  tells: {
    ownerAccepted: (known, { release, team, by }: { release: string; team: string; by: string }, { at, streamId }) =>
      known.accepted.some((one) => one.release === release && one.owner === team && one.since === at)
        ? []
        : [fact.owner_changed({ service: streamId, owner: team, since: at, accepted_by: by, release })],

    /** A person said that a thing belongs here: the catalog says so from now on. */
    mapped({ entry }, { kind, name, by }: Mapping) {
      const list = lists[kind as keyof typeof lists]
      if (!entry || !list || entry[list].includes(name)) return []
      return [fact.put({ ...entry, [list]: [...entry[list], name], by })]
    },
  },

  evolve: {
    put(known, { by: _, ...entry }, { at }) {
      const declared = byTime([...known.declared, { owner: entry.owner, at }], (one) => one.at, same)
      const newer = known.at === undefined || at > known.at || (at === known.at && JSON.stringify(entry) > JSON.stringify(known.entry))
      return newer ? { ...known, entry, at, declared } : { ...known, declared }
    },
    owner_changed: (known, { owner, since, accepted_by, release }) => ({
      ...known,
      accepted: byTime([...known.accepted, { owner, since, accepted_by, release }], (one) => one.since, same),
    }),
  },

  phase: phaseOf,
  keys: {
    /** Each label that its alerts must have; which service has all of them is looked at by the reader. */
    alert_label: ({ entry }) => Object.entries(entry?.alert_labels ?? {}).map(([name, value]) => labelKey(name, value)),
    team: (known) =>
      owners(known)
        .slice(-1)
        .map(({ owner }) => owner),
  },
})

export const labelKey = (name: string, value: string): string => hashOf(name, value)

/** The service whose labels the alert has all of; the most demanding one wins. Two of the same rank: nobody knows. */
export function serviceOf(
  labels: Readonly<Record<string, string>>,
  candidates: readonly { readonly id: string; readonly state: Catalogued }[],
) {
  const matching = candidates
    .map(({ id, state }) => ({ id, entry: state.entry, wanted: Object.entries(state.entry?.alert_labels ?? {}) }))
    .filter(({ wanted }) => wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value))
    .sort((a, b) => b.wanted.length - a.wanted.length)
  const [best, second] = matching
  if (!best) return { reason: 'no service in the catalog has alert_labels that this alert has all of' }
  if (second && second.wanted.length === best.wanted.length)
    return { reason: `the alert_labels of ${best.id} and ${second.id} both fit: make one of them more specific` }
  return { id: best.id, entry: best.entry }
}

/** The entry, or the refusal that says how to make one. */
export function mustBeCatalogued(id: string, { entry }: Catalogued): Entry {
  return entry ?? refuse('not_found', `there is no service "${id}" in the catalog: put it first (PutService)`, { path: 'service' })
}
