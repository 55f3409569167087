import { requester as fact } from '@rondo/contracts/feedback'
import { type Context, type Instant, refuse, stream } from '@rondo/kernel'

/** An opaque id; name and address are in a table of their own. */
export interface Requester {
  readonly known?: Instant
  readonly erased?: Instant
}
export const isErased = ({ known = '', erased }: Requester) => erased !== undefined && erased >= known

export const requester = stream(
  'requester',
  fact,
  {} as Requester,
)({
  fold: 1,
  asks: {
    erase(state, _: undefined, { actor, streamId }: Context) {
      if (!state.known) refuse('not_found', `there is no requester ${streamId}`, { path: 'requester_id' })
      return isErased(state) ? [] : [fact.erased({ requester: streamId, by: actor })]
    },
  },
  tells: {
    /** Reported or voted; whoever comes back after an erasure is known again. */
    seen: ({ known }, _: undefined, { at, streamId }: Context) => (known && known >= at ? [] : [fact.known({ requester: streamId })]),
  },
  evolve: {
    known: (state, _, { at }) => ({ ...state, known: state.known && state.known > at ? state.known : at }),
    erased: (state, _, { at }) => ({ ...state, erased: state.erased && state.erased > at ? state.erased : at }),
  },
  phase: (state) => (isErased(state) ? 'erased' : state.known ? 'known' : 'unseen'),
  keys: {},
})
