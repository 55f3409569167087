import { signal as fact } from '@rondo/contracts/operations'
import { type Instant, type Occurrence, stream } from '@rondo/kernel'
import { type Episode, endOf, heard, lastFiring, type Said, tooOld, withdrawn } from './episodes.ts'
import { type Place, placeKey, whereKey } from './names.ts'
import { groupKey } from './source.ts'

interface About extends Place {
  readonly at: Instant
  readonly title: string
  readonly kind: 'alert' | 'errors'
  readonly fingerprint: string
}
export interface Mark {
  readonly deployment: string
  readonly artifact: string
  readonly at: Instant
}
export interface Signal {
  /** As it was described last. */
  readonly about?: About
  /** It was told as opened. */
  readonly opened: boolean
  readonly first_at?: Instant
  readonly last_at?: Instant
  readonly episodes: readonly Episode[]
  /** `groupKey` of each group in which it was named. */
  readonly groups: readonly string[]
  readonly notes: readonly { readonly at: Instant; readonly text: string }[]
  /** By source: when it last reported the group as over without naming this one. */
  readonly unsure: Readonly<Record<string, Instant>>
  /** When each requirement was linked to it; the latest gathers it. */
  readonly links: readonly { readonly requirement: string; readonly at: Instant; readonly linked: boolean }[]
  readonly marks: readonly Mark[]
}

/** What a sender says about it. `said_at` differs from when the fact occurs only where it was told later than it was heard. */
export interface Word extends Place {
  readonly kind: 'alert' | 'errors'
  readonly fingerprint: string
  readonly title: string
  readonly source: string
  readonly episode: Instant
  readonly said_at?: Instant | undefined
  readonly group_key?: string | undefined
  readonly artifact?: string | undefined
}

const kept = { notes: 50, links: 50, marks: 20, groups: 20 }

export function phaseOf({ episodes, unsure }: Signal) {
  const last = episodes.at(-1)
  if (!last) return 'unseen'
  if (endOf(last) !== undefined) return 'cleared'
  // each replica speaks for itself: only its own later "firing" takes the doubt away
  const doubted = Object.entries(last.sources).some(([source, { firing }]) => firing !== undefined && (unsure[source] ?? '') >= firing)
  return doubted ? 'uncertain' : 'open'
}

export const requirementOf = ({ links }: Signal): string | undefined => links.findLast(({ linked }) => linked)?.requirement

const episodeOf = (signal: Signal, started_at: Instant) => signal.episodes.find((one) => one.started_at === started_at)
const told = ({ said_at, group_key, artifact, ...word }: Word) => ({
  ...word,
  ...(said_at ? { said_at } : {}),
  ...(group_key ? { group_key } : {}),
  ...(artifact ? { artifact } : {}),
})

interface Heard {
  readonly source: string
  readonly episode: Instant
  readonly said_at?: Instant | undefined
  readonly group_key?: string | undefined
  readonly artifact?: string | undefined
}

function hear(signal: Signal, word: Heard, occurrence: Occurrence, said: (at: Instant) => Said, isTold: boolean): Signal {
  const { source, episode, group_key, artifact } = word
  const at = word.said_at ?? occurrence.at
  return {
    ...signal,
    first_at: [signal.first_at, episode].filter((one) => one !== undefined).sort()[0] ?? episode,
    last_at: signal.last_at === undefined || at > signal.last_at ? at : signal.last_at,
    episodes: heard(signal.episodes, { source, started_at: episode, told: isTold, artifact, ...said(at) }),
    groups:
      group_key === undefined ? signal.groups : [...new Set([...signal.groups, groupKey(source, group_key)])].sort().slice(0, kept.groups),
  }
}

type Described = Place & {
  title?: string | undefined
  kind?: 'alert' | 'errors' | undefined
  fingerprint?: string | undefined
  said_at?: Instant | undefined
}

/** The latest description stands, whichever arrived last. */
function describe(signal: Signal, data: Described, { at: occurred }: Occurrence): Signal {
  const at = data.said_at ?? occurred
  const { service, environment, problem } = data
  const about: About = {
    at,
    service,
    environment,
    problem,
    title: data.title ?? signal.about?.title ?? problem,
    kind: data.kind ?? signal.about?.kind ?? 'alert',
    fingerprint: data.fingerprint ?? signal.about?.fingerprint ?? '',
  }
  const known = signal.about
  return known && (known.at > at || (known.at === at && JSON.stringify(known) >= JSON.stringify(about))) ? signal : { ...signal, about }
}

const firing = (at: Instant): Said => ({ firing: at })
const resolved =
  (ended_at: Instant) =>
  (at: Instant): Said => ({ resolved: { at, ended_at } })

function linked(signal: Signal, requirement: string, at: Instant, on: boolean): Signal {
  const known = signal.links.find((one) => one.requirement === requirement)
  if (known && (known.at > at || (known.at === at && known.linked))) return signal
  const links = [...signal.links.filter((one) => one !== known), { requirement, at, linked: on }]
  return {
    ...signal,
    links: links.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.requirement < b.requirement ? -1 : 1)).slice(-kept.links),
  }
}

export const signal = stream('signal', fact, {
  opened: false,
  episodes: [],
  groups: [],
  notes: [],
  unsure: {},
  links: [],
  marks: [],
} as Signal)({
  fold: 1,
  asks: {},

  tells: {
    fires(known, word: Word, { at, streamId: signal }) {
      const episode = episodeOf(known, word.episode)
      const said = episode?.sources[word.source]
      const now = word.said_at ?? at
      const { artifact: _, ...rest } = told(word)
      if (tooOld(known.episodes, word.episode)) return []
      if (!episode?.told) return [known.opened ? fact.observed({ signal, ...told(word) }) : fact.opened({ signal, ...told(word) })]
      if (said?.firing !== undefined && said.firing >= now) return []
      const takesBack = said?.resolved !== undefined && said.resolved.at < now && !withdrawn(said)
      return [takesBack ? fact.end_withdrawn({ signal, ...rest }) : fact.repeated({ signal, ...rest })]
    },

    ended(known, { ended_at, ...word }: Word & { ended_at: Instant }, { at, streamId: signal }) {
      const { artifact: _, ...rest } = told(word)
      const episode = episodeOf(known, word.episode)
      const now = word.said_at ?? at
      if (tooOld(known.episodes, word.episode) || (episode?.sources[word.source]?.resolved?.at ?? '') >= now) return []
      const next = heard(known.episodes, { source: word.source, started_at: word.episode, told: false, resolved: { at: now, ended_at } })
      const end = (episodes: readonly Episode[]) => episodes.filter((one) => one.started_at === word.episode).map(endOf)[0]
      return [
        end(next) === end(known.episodes) ? fact.repeated({ signal, ...rest, ended_at }) : fact.cleared({ signal, ...rest, ended_at }),
      ]
    },

    /** Its group was reported as over in a message that left alerts out and did not name this one. */
    groupCut(known, { source, at, left_out }: { source: string; at: Instant; left_out: number }, { streamId: signal }) {
      const said = known.episodes.at(-1)?.sources[source]
      // recorded although another replica may have ended it: it could take that back
      if (!said?.firing || said.firing > at || (said.resolved && !withdrawn(said)) || (known.unsure[source] ?? '') >= at) return []
      const note = `its group was reported as resolved at ${at} in a message that left ${left_out} alerts out and did not name this one: it may be over`
      return [fact.noted({ signal, note, source, unsure_since: at })]
    },

    linked: (known, { requirement }: { requirement: string }, { at, streamId: signal }) =>
      known.links.some((one) => one.requirement === requirement && one.linked && one.at >= at)
        ? []
        : [fact.requirement_linked({ signal, requirement })],

    unlinked: (known, { requirement }: { requirement: string }, { at, streamId: signal }) =>
      known.links.some((one) => one.requirement === requirement && !one.linked && one.at >= at)
        ? []
        : [fact.requirement_unlinked({ signal, requirement })],

    marked: (known, mark: Mark, { streamId: signal }) =>
      known.marks.some(({ deployment, at }) => deployment === mark.deployment && at === mark.at)
        ? []
        : [fact.release_marked({ signal, ...mark })],

    /** A proof has shown that it is gone: errors have no sender who would say so. */
    proven(known, { proof, at }: { proof: string; at: Instant }, { streamId: signal }) {
      const last = known.episodes.at(-1)
      if (known.about?.kind !== 'errors' || !last || endOf(last) !== undefined || lastFiring(last) > at) return []
      const { at: _, ...about } = known.about
      return [fact.cleared({ signal, ...about, source: `proof:${proof}`, episode: last.started_at, said_at: at, ended_at: at })]
    },
  },

  evolve: {
    opened: (known, data, occurrence) => ({ ...hear(describe(known, data, occurrence), data, occurrence, firing, true), opened: true }),
    observed: (known, data, occurrence) => hear(describe(known, data, occurrence), data, occurrence, firing, true),
    repeated: (known, data, occurrence) =>
      hear(describe(known, data, occurrence), data, occurrence, data.ended_at ? resolved(data.ended_at) : firing, false),
    end_withdrawn: (known, data, occurrence) => hear(describe(known, data, occurrence), data, occurrence, firing, false),
    cleared: (known, data, occurrence) => hear(describe(known, data, occurrence), data, occurrence, resolved(data.ended_at), false),
    noted(known, { note, source, unsure_since }, { at }) {
      const notes = known.notes.some((one) => one.at === at && one.text === note) ? known.notes : [...known.notes, { at, text: note }]
      const doubted = source && unsure_since && unsure_since > (known.unsure[source] ?? '') ? { [source]: unsure_since } : {}
      return {
        ...known,
        notes: notes.toSorted((a, b) => (`${a.at} ${a.text}` < `${b.at} ${b.text}` ? -1 : 1)).slice(-kept.notes),
        unsure: { ...known.unsure, ...doubted },
      }
    },
    requirement_linked: (known, { requirement }, { at }) => linked(known, requirement, at, true),
    requirement_unlinked: (known, { requirement }, { at }) => linked(known, requirement, at, false),
    release_marked: (known, { deployment, artifact, at }) => ({
      ...known,
      marks: [...known.marks.filter((one) => one.deployment !== deployment || one.at !== at), { deployment, artifact, at }]
        .sort((a, b) => (`${a.at} ${a.deployment}` < `${b.at} ${b.deployment}` ? -1 : 1))
        .slice(-kept.marks),
    }),
  },

  phase: phaseOf,
  closed: ['cleared'],
  keys: {
    service: ({ about }) => (about ? [about.service] : []),
    environment: ({ about }) => (about ? [about.environment] : []),
    problem: ({ about }) => (about ? [about.problem] : []),
    place: ({ about }) => (about ? [placeKey(about)] : []),
    /** Those that are not over, by service and environment. */
    lasting: (known) => (known.about && phaseOf(known) !== 'cleared' ? [whereKey(known.about)] : []),
    requirement: (known) => [requirementOf(known) ?? []].flat(),
    /** Also those that it once belonged to: undoing a merge finds it again. */
    once: ({ links }) => links.map(({ requirement }) => requirement),
    group: ({ groups }) => groups,
  },
  loops: ({ links }) => links.map(({ requirement }) => requirement),
})
