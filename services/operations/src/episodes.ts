import type { Instant } from '@rondo/kernel'

/** What one replica said: its later word replaces its own earlier one. */
export interface Said {
  readonly firing?: Instant
  readonly resolved?: { readonly at: Instant; readonly ended_at: Instant }
}
/** One firing of an alert: fingerprint and start. */
export interface Episode {
  readonly started_at: Instant
  readonly artifact?: string | undefined
  /** That it began was told (as opened or observed). */
  readonly told: boolean
  readonly sources: Readonly<Record<string, Said>>
}

const kept = { episodes: 100, sources: 20 }

/** It said "resolved" and fires again since: it took its word back. */
export const withdrawn = ({ firing, resolved }: Said): boolean => resolved !== undefined && firing !== undefined && firing > resolved.at

/** The end of the first replica that says so and did not take it back. */
export const endOf = ({ sources }: Episode): Instant | undefined =>
  Object.values(sources)
    .flatMap((said) => (said.resolved && !withdrawn(said) ? [said.resolved.ended_at] : []))
    .sort()[0]

export const endWithdrawn = (episode: Episode): boolean => endOf(episode) === undefined && Object.values(episode.sources).some(withdrawn)

export const lastFiring = ({ sources, started_at }: Episode): Instant =>
  Object.values(sources)
    .flatMap(({ firing }) => firing ?? [])
    .sort()
    .at(-1) ?? started_at

const later = (a: Instant | undefined, b: Instant | undefined) => (a === undefined || (b !== undefined && b > a) ? b : a)
const order = (word: NonNullable<Said['resolved']>) => `${word.at} ${word.ended_at}`

function together(a: Said, b: Said): Said {
  const firing = later(a.firing, b.firing)
  const resolved =
    a.resolved && b.resolved ? (order(a.resolved) >= order(b.resolved) ? a.resolved : b.resolved) : (a.resolved ?? b.resolved)
  return { ...(firing ? { firing } : {}), ...(resolved ? { resolved } : {}) }
}

/** One more word about an episode; the latest hundred episodes are kept, whatever the order they came in. */
export function heard(
  episodes: readonly Episode[],
  word: Said & { source: string; started_at: Instant; told: boolean; artifact?: string | undefined },
): readonly Episode[] {
  const { source, started_at, told, artifact, ...said } = word
  const known = episodes.find((one) => one.started_at === started_at) ?? { started_at, told: false, sources: {} }
  const sources = { ...known.sources, [source]: together(known.sources[source] ?? {}, said) }
  const names = Object.keys(sources).sort().slice(0, kept.sources)
  const running = [known.artifact, artifact].filter((one) => one !== undefined).sort()[0]
  const next: Episode = {
    started_at,
    ...(running === undefined ? {} : { artifact: running }),
    told: known.told || told,
    sources: Object.fromEntries(names.map((name) => [name, sources[name] ?? {}])),
  }
  return [...episodes.filter((one) => one.started_at !== started_at), next]
    .sort((a, b) => (a.started_at < b.started_at ? -1 : 1))
    .slice(-kept.episodes)
}

/** Older than all that is kept of a full list: known no more. */
export const tooOld = (episodes: readonly Episode[], started_at: Instant): boolean =>
  episodes.length >= kept.episodes && started_at < (episodes[0]?.started_at ?? '')
