import type { Turn } from '../rig/turn.ts'
import type { Span } from './spans.ts'

type Wanted = (span: Span) => boolean

/** Spans of an event, by its type without `rondo.`. */
export const event =
  (type: string, kind: 'producer' | 'consumer'): Wanted =>
  (span) =>
    span.kind === kind && span.tags['cloudevents.event_type'] === `rondo.${type}`

export function theOne(spans: readonly Span[], wanted: Wanted): Span {
  const found = spans.find(wanted)
  if (!found) throw new Error('there is no such span')
  return found
}

/** Where the alert of a turn came in. */
export const alertOf =
  ({ fingerprint }: Turn): Wanted =>
  (span) =>
    event('intake.alert.observed.v1', 'producer')(span) &&
    span.tags['rondo.signal.fingerprint'] === fingerprint &&
    span.tags['rondo.alert.status'] === 'firing'

/** What stands behind it. */
export const stations = {
  commit:
    ({ commit }: Turn): Wanted =>
    (span) =>
      event('intake.change.observed.v1', 'consumer')(span) && span.tags['vcs.ref.head.revision'] === commit,
  approval:
    ({ release }: Turn): Wanted =>
    ({ name, tags }) =>
      name.endsWith('Releases/Approve') && tags['rondo.release.id'] === release && tags['rpc.grpc.status_code'] === 0,
  deployment:
    ({ artifact }: Turn): Wanted =>
    (span) =>
      event('intake.deployment.observed.v1', 'consumer')(span) && span.tags['artifact.hash'] === artifact,
} as const
export type Station = keyof typeof stations
export const allStations = Object.keys(stations) as readonly Station[]
