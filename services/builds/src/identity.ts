import { identity as fact } from '@rondo/contracts/builds'
import { stream } from '@rondo/kernel'
import { later, type Seen } from './seen.ts'

/** An actor that could not be mapped when it was first seen; the stream's id is `unmapped:<hash>`. */
export interface Identity {
  readonly person?: Seen<string> | undefined
}

export const identity = stream(
  'identity',
  fact,
  {} as Identity,
)({
  fold: 1,
  asks: {},
  tells: {
    mapped: ({ person }, mapping: { identity: string; person: string }, { at }) =>
      later(person, mapping.person, at) === person ? [] : [fact.mapped(mapping)],
  },
  evolve: { mapped: (state, { person }, { at }) => ({ ...state, person: later(state.person, person, at) }) },
  keys: {},
})
