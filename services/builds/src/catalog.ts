import { catalog as fact } from '@rondo/contracts/builds'
import { stream } from '@rondo/kernel'
import { later, type Seen } from './seen.ts'

interface Mapping {
  readonly repositories: readonly string[]
  readonly artifacts: readonly string[]
}
/** What the catalog says of one service; the stream's id is the service's name. */
export interface Catalog {
  readonly mapping?: Seen<Mapping> | undefined
}
const sorted = ({ repositories, artifacts }: Mapping): Mapping => ({
  repositories: [...repositories].sort(),
  artifacts: [...artifacts].sort(),
})

/** `https://github.com/example/shop.git` and `Example/Shop` as they are compared. */
export const repositoryKey = (text: string): string =>
  text
    .toLowerCase()
    .replace(/^[a-z+]+:\/\//, '')
    .replace(/\.git$/, '')
    .replace(/\/$/, '')
/** A package URL without version and qualifiers. */
export const artifactKey = (text: string): string => text.replace(/[?#].*$/, '').replace(/@[^/]*$/, '')

export const catalog = stream(
  'catalog',
  fact,
  {} as Catalog,
)({
  fold: 1,
  asks: {},
  tells: {
    copied: ({ mapping }, put: Mapping & { service: string }, { at }) =>
      later(mapping, sorted(put), at) === mapping
        ? []
        : [fact.copied({ service: put.service, repositories: [...put.repositories].sort(), artifacts: [...put.artifacts].sort() })],
  },
  evolve: { copied: (state, put, { at }) => ({ ...state, mapping: later(state.mapping, sorted(put), at) }) },
  keys: {
    repository: ({ mapping }) => mapping?.value.repositories.map(repositoryKey) ?? [],
    artifact: ({ mapping }) => mapping?.value.artifacts.map(artifactKey) ?? [],
  },
})
