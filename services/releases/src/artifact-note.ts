import { artifactNote as fact } from '@rondo/contracts/releases'
import { type DataOf, stream } from '@rondo/kernel'
import { type GateSeen, newer, type Part, withVerdict } from './release-contents.ts'

/** What `builds` said of an artifact: kept until a release or a deployment needs it. */
export interface ArtifactNote {
  readonly published: boolean
  readonly mapping?: { readonly service: string; readonly told: number }
  readonly revisions: readonly string[]
  readonly part?: Part
  /** Oldest first; the last one holds. */
  readonly gates: readonly Verdict[]
}
type Verdict = GateSeen & { readonly service: string }
type Seen = DataOf<typeof fact.observed>

const unseen: ArtifactNote = { published: false, revisions: [], gates: [] }
const withValue = (values: readonly string[], value: string | undefined) =>
  value === undefined || values.includes(value) ? values : [...values, value].sort()

export const serviceOf = ({ mapping, part, gates }: ArtifactNote): string | undefined =>
  mapping?.service ?? part?.service ?? gates.at(-1)?.service
export const noteRevision = ({ part, revisions }: ArtifactNote): string | undefined => part?.revision ?? revisions[0]

const observed = (note: ArtifactNote, { phase, revision }: Seen): ArtifactNote => ({
  ...note,
  published: note.published || phase === 'published',
  revisions: withValue(note.revisions, revision),
})

export const artifactNote = stream(
  'artifact_note',
  fact,
  unseen,
)({
  fold: 1,
  asks: {},
  tells: {
    observed: (note, seen: Seen) => (JSON.stringify(observed(note, seen)) === JSON.stringify(note) ? [] : [fact.observed(seen)]),
    mapped: (note, seen: DataOf<typeof fact.mapped>) => ((note.mapping?.told ?? 0) >= seen.told ? [] : [fact.mapped(seen)]),
    contained: (note, seen: Part) => (newer(note.part, seen) === note.part ? [] : [fact.contained(seen)]),
    gated: (note, seen: Verdict) => (note.gates.some(({ told }) => told === seen.told) ? [] : [fact.gated(seen)]),
  },
  evolve: {
    observed,
    mapped: (note, { service, told }) => ({ ...note, mapping: newer(note.mapping, { service, told }) }),
    contained: (note, seen) => ({ ...note, part: newer(note.part, seen) }),
    gated: (note, seen) => ({ ...note, gates: withVerdict(note.gates, seen) }),
  },
  phase: ({ published }) => (published ? 'published' : 'seen'),
  keys: { revision: ({ part, revisions }) => withValue(revisions, part?.revision) },
})

/** Its verdicts as a release keeps them: there the service is the release's. */
export const verdictsOf = ({ gates }: ArtifactNote): readonly GateSeen[] => gates.map(({ service: _, ...seen }) => seen)
