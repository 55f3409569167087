import { serviceNote as fact } from '@rondo/contracts/releases'
import { type DataOf, stream } from '@rondo/kernel'
import { newer } from './release-contents.ts'

type Mapping = DataOf<typeof fact.mapped>
type Policy = DataOf<typeof fact.policy>

/** What the catalog says of a service, and the policy that its gate follows. */
export interface ServiceNote {
  readonly mapping?: Mapping
  readonly policy?: Policy
}
const unseen: ServiceNote = {}

export const serviceNote = stream(
  'service_note',
  fact,
  unseen,
)({
  fold: 1,
  asks: {},
  tells: {
    mapped: (note, seen: Mapping) => (newer(note.mapping, seen) === note.mapping ? [] : [fact.mapped(seen)]),
    policy: (note, seen: Policy) => (newer(note.policy, seen) === note.policy ? [] : [fact.policy(seen)]),
  },
  evolve: {
    mapped: (note, seen) => ({ ...note, mapping: newer(note.mapping, seen) }),
    policy: (note, seen) => ({ ...note, policy: newer(note.policy, seen) }),
  },
  keys: {
    /** Kind and value, as deployments are looked up by. */
    lookup: ({ mapping }) => (mapping ? lookupsOf(mapping) : []),
  },
})

export const lookupsOf = ({ service, repositories, artifacts }: Mapping): readonly string[] => [
  `service ${service}`,
  ...repositories.map((repository) => `repository ${repository}`),
  ...artifacts.map((artifact) => `artifact_name ${artifact}`),
]
