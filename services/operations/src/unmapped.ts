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

const sameVoice = (a: AlertWord, b: AlertWord) =>
  a.source === b.source && a.fingerprint === b.fingerprint && a.starts_at === b.starts_at && a.status === b.status
const rank = (word: AlertWord) => `${word.said_at} ${JSON.stringify(word)}`

/** Of what a sender says again and again the latest is kept: that it took back a "resolved" shows in the times. */
function withWord(words: readonly AlertWord[], word: AlertWord): readonly AlertWord[] {
  const known = words.find((one) => sameVoice(one, word))
  if (known && rank(known) >= rank(word)) return words
  return [...words.filter((one) => one !== known), word].toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1)).slice(-keptWords)
}

export const unmapped = stream('unmapped', fact, { words: [] } as Unmapped)({
  fold: 2,

  asks: {
    map(known, { service }: { service: string }, { actor }) {
      if (!known.kind || !known.name) refuse('not_found', 'nothing unmapped has this id', { path: 'unmapped_id' })
      return known.service === service ? [] : [fact.mapped({ kind: known.kind, name: known.name, service, by: actor })]
    },
  },

  tells: {
    seen: (known, { alert, ...sighting }: Sighting, { at }) =>
      (alert && withWord(known.words, alert) === known.words) || (!alert && known.last_at !== undefined && known.last_at >= at)
        ? []
        : [fact.seen({ ...sighting, ...(alert ? { alert } : {}) })],
    /** The catalog says by itself, meanwhile, where it belongs. */
    foundIn: ({ kind, name, service }, found: { service: string; by: string }) =>
      !kind || !name || service === found.service ? [] : [fact.mapped({ kind, name, ...found })],
  },

  evolve: {
    seen(known, { kind, name, reason, alert }, { at }) {
      const newest = known.last_at === undefined || at >= known.last_at
      return {
        ...known,
        kind,
        name,
        reason: newest ? reason : (known.reason ?? reason),
        first_at: known.first_at === undefined || at < known.first_at ? at : known.first_at,
        last_at: newest ? at : (known.last_at ?? at),
        words: alert ? withWord(known.words, alert) : known.words,
      }
    },
    mapped: (known, { kind, name, service }, { at }) =>
      known.mapped_at !== undefined && known.mapped_at > at ? known : { ...known, kind, name, service, mapped_at: at },
  },

  phase: phaseOf,
  keys: { kind: ({ kind }) => (kind ? [kind] : []) },
})
