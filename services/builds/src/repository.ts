import { repositoryFacts as fact } from '@rondo/contracts/builds'
import type { Repository as Named } from '@rondo/contracts/values'
import { type Instant, refuse, stream } from '@rondo/kernel'
import { earliest, later, latest, type Seen, same } from './seen.ts'

interface Ref {
  readonly target?: string | undefined
  readonly object?: string | undefined
  readonly deleted: boolean
}
/** Under this name from the first time on; `last` to the hour, so that a busy repository does not tell each push. */
interface NameSpan {
  readonly first: Instant
  readonly last: Instant
}
export interface Repository {
  readonly host: string
  /** The platform's own id; it outlives a rename. */
  readonly platform_id?: string | undefined
  readonly names: Readonly<Record<string, NameSpan>>
  readonly default_branch?: Seen<string> | undefined
  /** By kind and name: `tag v1.4.0`. */
  readonly refs: Readonly<Record<string, Seen<Ref>>>
  readonly assigned?: Seen<string> | undefined
  readonly mapping?: { readonly basis: number; readonly service?: string | undefined; readonly reason?: string | undefined } | undefined
}

/** Its id at the platform where that is known; else all we have is the name. */
export const repositoryId = ({ host, id, full_name }: Named): string => `${host}/${id ?? full_name.toLowerCase()}`

/** The name it was seen under last; of two within one hour, the newer one. */
export function presentName({ names }: Repository): string {
  const spans = Object.entries(names).sort(([a, x], [b, y]) =>
    x.last === y.last ? (x.first === y.first ? (a < b ? -1 : 1) : x.first < y.first ? -1 : 1) : x.last < y.last ? -1 : 1,
  )
  return spans.at(-1)?.[0] ?? ''
}
export const named = (repository: Repository): Named => ({
  host: repository.host,
  full_name: presentName(repository),
  ...(repository.platform_id === undefined ? {} : { id: repository.platform_id }),
  ...(repository.default_branch ? { default_branch: repository.default_branch.value } : {}),
})

export const phaseOf = ({ mapping, host }: Repository): string => (mapping?.service ? 'mapped' : host ? 'unmapped' : 'unseen')
const hour = (at: Instant): Instant => `${at.slice(0, 13)}:00:00.000000Z`

function seen(repository: Repository, { host, id, full_name, default_branch }: Named, at: Instant): Repository {
  const known = repository.names[full_name]
  return {
    ...repository,
    host,
    platform_id: id ?? repository.platform_id,
    names: { ...repository.names, [full_name]: { first: earliest(known?.first, at), last: latest(known?.last, hour(at)) } },
    default_branch: later(repository.default_branch, default_branch, hour(at)),
  }
}

/** The newest thousand: a repository may have had more branches than anybody will ask for. */
function withRef(refs: Repository['refs'], key: string, ref: Ref, at: Instant): Repository['refs'] {
  const moved = later(refs[key], ref, at)
  if (!moved || moved === refs[key]) return refs
  const all = Object.entries({ ...refs, [key]: moved })
  return all.length <= 1000
    ? Object.fromEntries(all)
    : Object.fromEntries(all.sort(([a, x], [b, y]) => (x.at === y.at ? (a < b ? -1 : 1) : x.at < y.at ? 1 : -1)).slice(0, 1000))
}
interface RefMove extends Ref {
  readonly name: string
  readonly kind: 'branch' | 'tag'
}
const refOf = ({ target, object, deleted }: RefMove): Ref => ({ target, object, deleted })

export const repository = stream('repository', fact, { host: '', names: {}, refs: {} } as Repository)({
  fold: 1,

  asks: {
    assign(repository, { service }: { service: string }, { actor }) {
      if (!repository.host) refuse('not_found', 'there is no such repository: ListRepositories names those that were seen')
      return repository.assigned?.value === service ? [] : [fact.assigned({ service, by: actor })]
    },
  },

  tells: {
    seen: (repository, observed: Named, { at, streamId }) =>
      same(seen(repository, observed, at), repository) ? [] : [fact.seen({ repository_id: streamId, repository: observed })],
    refMoved: (repository, move: RefMove, { at }) => {
      const key = `${move.kind} ${move.name}`
      return withRef(repository.refs, key, refOf(move), at) === repository.refs ? [] : [fact.ref_moved(move)]
    },
    resolved(
      repository,
      { service, reason, basis }: { service?: string | undefined; reason?: string | undefined; basis: number },
      { streamId },
    ) {
      const known = repository.mapping
      if (known && (known.basis > basis || (known.service === service && known.reason === reason))) return []
      const which = { repository_id: streamId, repository: named(repository), basis }
      return [service ? fact.mapped({ ...which, service }) : fact.unmapped({ ...which, reason: reason ?? 'no service lists it' })]
    },
  },

  evolve: {
    seen: (repository, data, { at }) => seen(repository, data.repository, at),
    ref_moved: (repository, move, { at }) => ({
      ...repository,
      refs: withRef(repository.refs, `${move.kind} ${move.name}`, refOf(move), at),
    }),
    assigned: (repository, { service }, { at }) => ({ ...repository, assigned: later(repository.assigned, service, at) }),
    mapped: (repository, { service, basis }) =>
      repository.mapping && repository.mapping.basis > basis ? repository : { ...repository, mapping: { basis, service } },
    unmapped: (repository, { reason, basis }) =>
      repository.mapping && repository.mapping.basis > basis ? repository : { ...repository, mapping: { basis, reason } },
  },

  phase: phaseOf,
  keys: {
    /** All names it ever had: a rename must not lose what the catalog says. */
    name: ({ names }) => Object.keys(names).map((name) => name.toLowerCase()),
    service: ({ mapping }) => (mapping?.service ? [mapping.service] : []),
    /** An annotated tag's object is no commit; whoever asks by it means the commit. */
    tag_object: ({ refs }) => Object.values(refs).flatMap(({ value }) => (value.object ? [value.object] : [])),
  },
})
