import { type AlertWord, unmapped as fact } from '@rondo/contracts/operations'
import { type Instant, refuse, stream } from '@rondo/kernel'

export type Kind = 'alert' | 'repository' | 'artifact' | 'deployment'
export interface Unmapped {
  readonly kind?: Kind
  readonly name?: string
  readonly reason?: string
  readonly first_at?: Instant
  readonly last_at?: Instant
  /** What was said about it until it was mapped: nothing is lost by mapping late. The latest ones. */
  readonly words: readonly AlertWord[]
  readonly service?: string
  readonly mapped_at?: Instant
}

const keptWords = 100

export const phaseOf = ({ kind, service }: Unmapped) => (service ? 'mapped' : kind ? 'unmapped' : 'unseen')

export interface Sighting {
  readonly kind: Kind
  readonly name: string
  readonly reason: string
  readonly alert?: AlertWord | undefined
}

const sameWord = (a: AlertWord, b: AlertWord) => JSON.stringify(a) === JSON.stringify(b)

export const unmapped = stream('unmapped', fact, { words: [] } as Unmapped)({
  fold: 1,

  asks: {
    map(known, { service }: { service: string }, { actor }) {
      if (!known.kind || !known.name) refuse('not_found', 'nothing unmapped has this id', { path: 'unmapped_id' })
      return known.service === service ? [] : [fact.mapped({ kind: known.kind, name: known.name, service, by: actor })]
    },
  },

  tells: {
    seen: (known, { alert, ...sighting }: Sighting, { at }) =>
      known.words.some((word) => alert && sameWord(word, alert)) || (!alert && known.last_at !== undefined && known.last_at >= at)
        ? []
        : [fact.seen({ ...sighting, ...(alert ? { alert } : {}) })],
    /** The catalog says by itself, meanwhile, where it belongs. */
    foundIn: ({ kind, name, service }, found: { service: string; by: string }) =>
      !kind || !name || service === found.service ? [] : [fact.mapped({ kind, name, ...found })],
  },

  evolve: {
    seen(known, { kind, name, reason, alert }, { at }) {
      const words = alert && !known.words.some((word) => sameWord(word, alert)) ? [...known.words, alert] : known.words
      const newest = known.last_at === undefined || at >= known.last_at
      return {
        ...known,
        kind,
        name,
        reason: newest ? reason : (known.reason ?? reason),
        first_at: known.first_at === undefined || at < known.first_at ? at : known.first_at,
        last_at: newest ? at : (known.last_at ?? at),
        words: words
          .toSorted((a, b) => (a.said_at < b.said_at ? -1 : a.said_at > b.said_at ? 1 : JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
          .slice(-keptWords),
      }
    },
    mapped: (known, { kind, name, service }, { at }) =>
      known.mapped_at !== undefined && known.mapped_at > at ? known : { ...known, kind, name, service, mapped_at: at },
  },

  phase: phaseOf,
  keys: { kind: ({ kind }) => (kind ? [kind] : []) },
})
