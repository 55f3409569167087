import { type AnyStream, decide, evolve, type Instant, type StateOf } from '@rondo/kernel'

export interface Telling {
  readonly rule: string
  readonly input: unknown
  readonly at: Instant
}

/** The state after these tells, as the ledger would have it: each rule decides on what is there, its facts are folded in. */
export function told<S extends AnyStream>(stream: S, tellings: readonly Telling[], streamId = 'stream-1'): StateOf<S> {
  return tellings.reduce<StateOf<S>>((state, { rule, input, at }, index) => {
    const context = { at, actor: 'person:somebody', messageId: `message-${index}`, streamId }
    const { facts } = decide({ kind: 'tell', stream, id: streamId, rule, input }, state, context)
    return facts.reduce<StateOf<S>>(
      (next, fact) => evolve(stream, next, fact.verb, fact.data, { id: `fact-${index}`, at, actor: context.actor }),
      state,
    )
  }, stream.initial)
}
