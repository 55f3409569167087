import { identityNote as fact } from '@rondo/contracts/releases'
import { type Instant, stream } from '@rondo/kernel'

/** Which person an identity is that was unmapped once. Mapped again: the later word, by when it was said. */
export interface IdentityNote {
  readonly person: string
  readonly at: Instant
}
const unseen: IdentityNote = { person: '', at: '' }

export const identityNote = stream(
  'identity_note',
  fact,
  unseen,
)({
  fold: 1,
  asks: {},
  tells: {
    mapped: (note, seen: { identity: string; person: string }, { at }) =>
      note.at > at || (note.person === seen.person && note.at === at) ? [] : [fact.mapped(seen)],
  },
  evolve: {
    mapped: (note, { person }, { at }) => (note.at > at || (note.at === at && note.person >= person) ? note : { person, at }),
  },
  keys: {},
})
