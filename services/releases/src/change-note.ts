import { changeNote as fact } from '@rondo/contracts/releases'
import type { Contributor } from '@rondo/contracts/values'
import { type DataOf, stream } from '@rondo/kernel'

/** Who contributed to a commit, by all that was told of it. */
export interface ChangeNote {
  readonly contributors: readonly Contributor[]
}
type Seen = DataOf<typeof fact.contributed>

const keyOf = ({ actor, role, shown = '' }: Contributor) => `${actor} ${role} ${shown}`
const unseen: ChangeNote = { contributors: [] }

const contributed = ({ contributors }: ChangeNote, seen: Seen): ChangeNote => {
  const all = new Map([...contributors, ...seen.contributors].map((one) => [keyOf(one), one]))
  return { contributors: [...all.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one) }
}

export const changeNote = stream(
  'change_note',
  fact,
  unseen,
)({
  fold: 1,
  asks: {},
  tells: {
    contributed: (note, seen: Seen) =>
      contributed(note, seen).contributors.length === note.contributors.length ? [] : [fact.contributed(seen)],
  },
  evolve: { contributed },
  keys: {},
})
