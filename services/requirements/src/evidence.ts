import type { Instant, Occurrence } from '@rondo/kernel'

/** Something that speaks for a requirement: a signal, an incident, a requester's item. */
export interface Evidence {
  readonly first: Instant
  /** Of a signal: when it came last. */
  readonly last: Instant
  /** It came here by itself, not only with a merge or split. */
  readonly own: boolean
  /** The latest time it was moved here, and from which requirement. */
  readonly placed?: Instant
  readonly from?: string
  /** Of a signal. */
  readonly problem?: string
  /** Of an incident: what it is about. */
  readonly signals?: readonly string[]
  /** Of a requester's item. */
  readonly item?: string
  readonly requester?: string
}
/** Only times and sets, so that the order of arrival does not matter. */
export interface Evidences {
  readonly seen: Readonly<Record<string, Evidence>>
  /** The latest time that it was moved away; an item goes with all its requesters. */
  readonly gone: Readonly<Record<string, Instant>>
}
export const none: Evidences = { seen: {}, gone: {} }

/** The most that a requirement keeps of a kind: the oldest, whichever arrived first. */
const limit = 1000

/** What speaks for it now, by id. */
export function belonging({ seen, gone }: Evidences): readonly (readonly [id: string, Evidence])[] {
  return Object.entries(seen).filter(([id, { placed, item }]) => {
    const left = gone[item ?? id]
    return left === undefined || (placed !== undefined && placed > left)
  })
}
export const idsOf = (evidences: Evidences): readonly string[] =>
  belonging(evidences)
    .map(([id]) => id)
    .sort()

interface Sighting {
  readonly id: string
  /** When it happened; without it the occurrence's own time. */
  readonly at?: Instant | undefined
  readonly from?: string | undefined
  /** That it came again says something: a signal. */
  readonly repeats?: boolean
}

/** Whether the state would change: what is told again is not recorded again. */
export function isNews({ seen }: Evidences, { id, at, from, repeats }: Sighting, now: Instant): boolean {
  const known = seen[id]
  if (!known || (at ?? now) < known.first || (repeats && (at ?? now) > known.last)) return true
  return from ? (known.placed ?? '') < now : !known.own
}

export function joined(
  { seen, gone }: Evidences,
  sighting: Sighting & Pick<Evidence, 'problem' | 'signals' | 'item' | 'requester'>,
  occurrence: Occurrence,
): Evidences {
  const { id, at = occurrence.at, from, repeats, ...what } = sighting
  const known: Evidence = seen[id] ?? { ...what, first: at, last: at, own: false }
  const moved = from !== undefined && (known.placed ?? '') <= occurrence.at ? { placed: occurrence.at, from } : {}
  const entry = {
    ...known,
    first: earliestOf(known.first, at),
    last: repeats ? latestOf(known.last, at) : earliestOf(known.last, at),
    own: known.own || !from,
    ...moved,
  }
  return { seen: oldest({ ...seen, [id]: entry }), gone }
}

export function movedAway({ seen, gone }: Evidences, ids: readonly string[], { at }: Occurrence): Evidences {
  return { seen, gone: { ...gone, ...Object.fromEntries(ids.map((id) => [id, latestOf(gone[id], at)])) } }
}

export const earliestOf = (known: Instant | undefined, at: Instant): Instant => (known && known < at ? known : at)
export const latestOf = (known: Instant | undefined, at: Instant): Instant => (known && known > at ? known : at)

function oldest(seen: Evidences['seen']): Evidences['seen'] {
  const entries = Object.entries(seen)
  if (entries.length <= limit) return seen
  return Object.fromEntries(entries.sort(([a, x], [b, y]) => (`${x.first} ${a}` < `${y.first} ${b}` ? -1 : 1)).slice(0, limit))
}

/** An item counts once for each requester. */
export const requestId = (item: string, requester: string) => `${item} ${requester}`
