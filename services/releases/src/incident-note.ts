import { incidentNote as fact } from '@rondo/contracts/releases'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { newer } from './release-contents.ts'

type Attribution = DataOf<typeof fact.attributed>
type Candidate = Omit<DataOf<typeof fact.candidate>, 'incident'>

/** What `operations` said of an incident, and the deployments that it may have come from. */
export interface IncidentNote {
  readonly service: string
  readonly environment?: string
  readonly began_at?: Instant
  readonly attribution?: Attribution
  readonly resolution?: { readonly resolved_at: Instant; readonly told: number }
  /** By id. */
  readonly candidates: readonly Candidate[]
}
const unseen: IncidentNote = { service: '', candidates: [] }

const earliest = (a: Instant | undefined, b: Instant | undefined) => [a, b].filter((at) => at !== undefined).sort()[0]

/** More is known of a deployment with time, and its success may be found to have been earlier. */
function merged(known: Candidate | undefined, seen: Candidate): Candidate {
  const succeeded_at = earliest(known?.succeeded_at, seen.succeeded_at)
  return { ...known, ...seen, seen_at: earliest(known?.seen_at, seen.seen_at) ?? seen.seen_at, ...(succeeded_at ? { succeeded_at } : {}) }
}

function withCandidate({ candidates, ...note }: IncidentNote, { incident: _, ...seen }: DataOf<typeof fact.candidate>): IncidentNote {
  const others = candidates.filter(({ deployment }) => deployment !== seen.deployment)
  const all = [
    ...others,
    merged(
      candidates.find(({ deployment }) => deployment === seen.deployment),
      seen,
    ),
  ]
  return { ...note, candidates: all.sort((a, b) => (a.deployment < b.deployment ? -1 : 1)) }
}

const same = (a: IncidentNote, b: IncidentNote) =>
  JSON.stringify(a.candidates.map((one) => Object.entries(one).sort())) ===
  JSON.stringify(b.candidates.map((one) => Object.entries(one).sort()))

/** The deployment that was named; else of those that brought the artifact there, the last one before it began. */
export function causeOf({ attribution, environment, began_at, service, candidates }: IncidentNote): string | undefined {
  if (!attribution || attribution.cause === 'not_a_deployment') return undefined
  const here = candidates
    .filter((one) => one.service === service)
    .filter((one) => !attribution.deployment || one.deployment === attribution.deployment || one.external === attribution.deployment)
    .filter((one) => !attribution.artifact || one.artifact === attribution.artifact)
    .filter((one) => attribution.deployment || !environment || one.environment === environment)
    .map(({ deployment, succeeded_at, seen_at }) => ({ deployment, since: succeeded_at ?? seen_at }))
    .sort((a, b) => (a.since < b.since || (a.since === b.since && a.deployment < b.deployment) ? -1 : 1))
  return (here.findLast(({ since }) => !began_at || since <= began_at) ?? here[0])?.deployment
}

export const incidentNote = stream(
  'incident_note',
  fact,
  unseen,
)({
  fold: 1,
  asks: {},
  tells: {
    declared: (note, seen: DataOf<typeof fact.declared>) => (note.began_at === undefined ? [fact.declared(seen)] : []),
    attributed: (note, seen: Attribution) => (newer(note.attribution, seen) === note.attribution ? [] : [fact.attributed(seen)]),
    resolved: (note, seen: DataOf<typeof fact.resolved>) => (newer(note.resolution, seen) === note.resolution ? [] : [fact.resolved(seen)]),
    candidateSeen: (note, seen: DataOf<typeof fact.candidate>) => (same(note, withCandidate(note, seen)) ? [] : [fact.candidate(seen)]),
  },
  evolve: {
    declared: (note, { service, environment, began_at }) => ({ ...note, service, environment, began_at }),
    attributed: (note, seen) => ({ ...note, service: seen.service, attribution: newer(note.attribution, seen) }),
    resolved: (note, { service, resolved_at, told }) => ({ ...note, service, resolution: newer(note.resolution, { resolved_at, told }) }),
    candidate: withCandidate,
  },
  phase: ({ resolution }) => (resolution ? 'resolved' : 'open'),
  closed: ['resolved'],
  keys: {
    service: ({ service }) => (service ? [service] : []),
    artifact: ({ attribution }) => (attribution?.artifact ? [attribution.artifact] : []),
    deployment: ({ attribution }) => (attribution?.deployment ? [attribution.deployment] : []),
    candidate: ({ candidates }) => candidates.map(({ deployment }) => deployment),
  },
})
