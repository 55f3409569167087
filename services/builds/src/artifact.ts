import { type Contents, artifact as fact } from '@rondo/contracts/builds'
import { type DataOf, type Instant, stream } from '@rondo/kernel'
import type { Resolution } from './mapping.ts'
import { earliest, later, type Seen, same, union } from './seen.ts'

type Observed = DataOf<typeof fact.observed>
/** The stream's id is its digest. */
export interface Artifact {
  readonly first_at?: Instant | undefined
  readonly names: readonly string[]
  readonly phases: readonly string[]
  readonly sources: readonly string[]
  readonly builds: readonly string[]
  readonly version?: Seen<string> | undefined
  readonly revision?: Seen<string> | undefined
  readonly repository_id?: Seen<string> | undefined
  readonly mapping?: { readonly basis: number; readonly service?: string | undefined; readonly reason?: string | undefined } | undefined
  readonly contents?: { readonly basis: number; readonly value: Contents } | undefined
}

const rank = ['deleted', 'published', 'signed', 'packaged']
export const phaseOf = ({ phases, first_at }: Artifact): string =>
  rank.find((phase) => phases.includes(phase)) ?? (first_at ? 'seen' : 'unseen')

function observed(artifact: Artifact, data: Observed, at: Instant): Artifact {
  return {
    ...artifact,
    first_at: earliest(artifact.first_at, at),
    names: union(artifact.names, [data.name], 20),
    phases: union(artifact.phases, [data.phase]),
    sources: union(artifact.sources, [data.source], 20),
    builds: data.build ? union(artifact.builds, [data.build], 20) : artifact.builds,
    version: later(artifact.version, data.version, at),
    revision: later(artifact.revision, data.revision, at),
    repository_id: later(artifact.repository_id, data.repository_id, at),
  }
}
const newer = <T extends { readonly basis: number }>(known: T | undefined, told: T): T => (known && known.basis > told.basis ? known : told)
/** What was computed, without when. */
function contentsOf({ basis = 0, digest: _, ...value }: DataOf<typeof fact.contained>): { basis: number; value: Contents } {
  return { basis, value }
}

export const artifact = stream('artifact', fact, { names: [], phases: [], sources: [], builds: [] } as Artifact)({
  fold: 1,
  asks: {},
  tells: {
    observed: (artifact, data: Observed, { at }) => (same(observed(artifact, data, at), artifact) ? [] : [fact.observed(data)]),
    resolved({ mapping, names }, { service, reason, basis }: Resolution & { basis: number }, { streamId }) {
      if (mapping && (mapping.basis > basis || (mapping.service === service && mapping.reason === reason))) return []
      return [
        service
          ? fact.mapped({ digest: streamId, service, basis })
          : fact.unmapped({ digest: streamId, name: names[0] ?? streamId, reason: reason ?? 'no service lists it', basis }),
      ]
    },
    contained({ contents }, { basis, ...value }: Contents & { basis: number }, { streamId }) {
      if (contents && (contents.basis > basis || same(contents.value, value))) return []
      return [fact.contained({ ...value, digest: streamId, basis })]
    },
  },
  evolve: {
    observed: (artifact, data, { at }) => observed(artifact, data, at),
    mapped: (artifact, { service, basis }) => ({ ...artifact, mapping: newer(artifact.mapping, { basis, service }) }),
    unmapped: (artifact, { reason, basis }) => ({ ...artifact, mapping: newer(artifact.mapping, { basis, reason }) }),
    contained: (artifact, data) => ({ ...artifact, contents: newer(artifact.contents, contentsOf(data)) }),
  },
  phase: phaseOf,
  closed: ['deleted'],
  keys: {
    name: ({ names }) => names,
    service: ({ mapping }) => (mapping?.service ? [mapping.service] : []),
    revision: ({ revision }) => (revision ? [revision.value] : []),
    repository: ({ repository_id }) => (repository_id ? [repository_id.value] : []),
    build: ({ builds }) => builds,
    /** Whoever makes one of these known lets the contents be computed again. */
    missing: ({ contents }) => contents?.value.missing ?? [],
    /** A merge request may still add people and references to what it contains. */
    change: ({ contents }) => contents?.value.changes ?? [],
    /** A person may still be found behind one. */
    unmapped: ({ contents }) => [
      ...new Set(contents?.value.contributors.map(({ actor }) => actor).filter((actor) => actor.startsWith('unmapped:'))),
    ],
  },
  loops: ({ contents }) => contents?.value.requirements ?? [],
})
