import type { Found } from '@rondo/reaction'
import type { Artifact } from './artifact.ts'
import { artifactKey, type Catalog, repositoryKey } from './catalog.ts'
import { presentName, type Repository } from './repository.ts'

/** The service that something belongs to, or why nobody can say. */
export type Resolution =
  | { readonly service: string; readonly reason?: undefined }
  | { readonly service?: undefined; readonly reason: string }

const oneOf = (services: readonly string[], what: string, none: string): Resolution => {
  const distinct = [...new Set(services)].sort()
  if (distinct.length > 1) return { reason: `${what} is listed by ${distinct.join(' and ')}: a person must say which` }
  return distinct[0] ? { service: distinct[0] } : { reason: none }
}

/** Repositories of one host that ever had the name, by who had it first; platforms count their ids upwards. */
function holders(all: readonly Found<Repository>[], host: string, name: string): readonly Found<Repository>[] {
  const since = ({ state }: Found<Repository>) => Object.entries(state.names).find(([one]) => one.toLowerCase() === name)?.[1].first
  const order = (one: Found<Repository>) => `${since(one)} ${(one.state.platform_id ?? '').padStart(30, '0')} ${one.id}`
  return all
    .filter((one) => one.state.host === host && one.state.platform_id !== undefined && since(one) !== undefined)
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

/**
 * A repository belongs to the service that lists any name it ever had, unless another repository had that name before it:
 * a stranger under an old name is not added to anybody's history without a person's word.
 */
export function resolveRepository(
  one: Found<Repository>,
  all: readonly Found<Repository>[],
  catalogs: readonly Found<Catalog>[],
): Resolution {
  const { state } = one
  if (state.assigned) return { service: state.assigned.value }
  const listing = (name: string) =>
    catalogs
      .filter(({ state: { mapping } }) =>
        mapping?.value.repositories.some((listed) => [name, `${state.host}/${name}`].includes(repositoryKey(listed))),
      )
      .map(({ id }) => id)
  const names = Object.keys(state.names).map((name) => name.toLowerCase())
  const rows = names.map((name) => {
    const before = holders(all, state.host, name)
    const rightful = state.platform_id === undefined ? before.length <= 1 : before[0]?.id === one.id
    return { name, services: listing(name), rightful, other: before.find(({ id }) => id !== one.id) }
  })
  const taken = rows.find(({ services, rightful }) => services.length > 0 && !rightful)
  const present = presentName(state)
  return oneOf(
    rows.filter(({ rightful }) => rightful).flatMap(({ services }) => services),
    present,
    taken?.other
      ? `repository ${state.platform_id ?? one.id} is called ${taken.name}, which was the name of repository ${taken.other.state.platform_id} (now ${presentName(taken.other.state)}) before: two repositories with one name, a person must say which service it is`
      : `no service lists ${[present, ...names.filter((name) => name !== present.toLowerCase())].join(', formerly ')}`,
  )
}

/** By its name in the catalog, else by the repository that it was built from. */
export function resolveArtifact(
  { names }: Artifact,
  repositories: readonly Found<Repository>[],
  catalogs: readonly Found<Catalog>[],
): Resolution {
  const keys = names.map(artifactKey)
  const listing = catalogs
    .filter(({ state: { mapping } }) => mapping?.value.artifacts.some((listed) => keys.includes(artifactKey(listed))))
    .map(({ id }) => id)
  const owners = repositories.flatMap(({ state }) => (state.mapping?.service ? [state.mapping.service] : []))
  return oneOf(
    listing.length > 0 ? listing : owners,
    names.join(', '),
    `no service lists ${names.join(', ')}, and its repository belongs to none`,
  )
}
