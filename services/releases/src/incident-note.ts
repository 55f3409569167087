import { incidentNote as fact } from '@rondo/contracts/releases'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import { newer } from './release-contents.ts'

type Attribution = DataOf<typeof fact.attributed>

/** What `operations` said of an incident: when it was, and what it came from. */
export interface IncidentNote {
  readonly service: string
  readonly environment?: string
  readonly began_at?: Instant
  readonly attribution?: Attribution
  readonly resolution?: { readonly resolved_at: Instant; readonly told: number }
}
const unseen: IncidentNote = { service: '' }

export const incidentNote = stream('incident_note', fact, unseen)({
  fold: 1,
  asks: {},
  tells: {
    declared: (note, seen: DataOf<typeof fact.declared>) => (note.began_at === undefined ? [fact.declared(seen)] : []),
    attributed: (note, seen: Attribution) => (newer(note.attribution, seen) === note.attribution ? [] : [fact.attributed(seen)]),
    resolved: (note, seen: DataOf<typeof fact.resolved>) => (newer(note.resolution, seen) === note.resolution ? [] : [fact.resolved(seen)]),
  },
  evolve: {
    declared: (note, { service, environment, began_at }) => ({ ...note, service, environment, began_at }),
    attributed: (note, seen) => ({ ...note, service: seen.service, attribution: newer(note.attribution, seen) }),
    resolved: (note, { service, resolved_at, told }) => ({ ...note, service, resolution: newer(note.resolution, { resolved_at, told }) }),
  },
  phase: ({ resolution }) => (resolution ? 'resolved' : 'open'),
  keys: {
    service: ({ service }) => (service ? [service] : []),
    artifact: ({ attribution }) => (attribution?.artifact ? [attribution.artifact] : []),
    deployment: ({ attribution }) => (attribution?.deployment ? [attribution.deployment] : []),
  },
})
