import type { Envelope } from './envelope.ts'
import { DomainError } from './errors.ts'
import type { DataOf, Fact, FactOf, FactTable } from './fact.ts'
import type { Instant } from './instant.ts'
import type { Message } from './message.ts'

/** When it happened (an ask: now, by the server's clock) and who did it. */
export interface Context {
  readonly at: Instant
  readonly actor: string
  /** The id that the message's facts are derived from. */
  readonly messageId: string
  readonly streamId: string
}
// biome-ignore lint/suspicious/noExplicitAny: each rule declares its own input; callers are checked through InputOf
export type Rule<State, Made> = (state: State, input: any, context: Context) => readonly Made[]
type RuleSet<State, Made> = Readonly<Record<string, Rule<State, Made>>>
type Declared<Input> = unknown extends Input ? undefined : Input
// biome-ignore lint/suspicious/noExplicitAny: infers the input of any rule
export type InputOf<R> = R extends (state: any, input: infer Input, context: Context) => unknown ? Declared<Input> : never

/** Which fact it is and when it happened (never when it arrived). */
export interface Occurrence {
  readonly id: string
  readonly at: Instant
  readonly actor: string
}

type NeedsNoInput<Tells> = { [Name in keyof Tells]: undefined extends InputOf<Tells[Name]> ? Name : never }[keyof Tells] & string
export interface Due<Name extends string = string> {
  readonly at: Instant
  readonly tell: Name
}

/** State is JSON: what `evolve` makes is stored as jsonb and read back as it is. */
export interface Rules<State, F extends FactTable, Asks, Tells, Key extends string> {
  /** Raise when `evolve` changes its meaning: states of a lower fold are folded again before the service is ready. */
  readonly fold: number
  /** What a person or client may ask. May refuse; refusals are checked before "nothing to do". */
  readonly asks: Asks
  /** What was seen elsewhere, or became due. Always recorded, in any phase, in any order, as often as it comes. */
  readonly tells: Tells
  readonly evolve: { readonly [Verb in keyof F]: (state: State, data: DataOf<F[Verb]>, occurrence: Occurrence) => State }
  /** What a user sees; stored beside the state for lists. */
  readonly phase?: (state: State) => string
  /**
   * Phases in which nothing more is expected. Events of a stream that rests in one may be archived; the stream stays, and what comes all
   * the same is recorded as ever.
   */
  readonly closed?: readonly string[]
  /** What the stream can be found by: derived from its state, stored in the same transaction. */
  readonly keys: { readonly [Name in Key]: (state: State) => readonly string[] }
  /** Keys that at most one stream may hold. Losing one runs the reaction (or ask) again from its read. */
  readonly unique?: readonly NoInfer<Key>[]
  /** Tells that become due. Derived from the state too: a timer no longer derived no longer exists. */
  readonly timers?: (state: State) => readonly Due<NeedsNoInput<NoInfer<Tells>>>[]
  /** Requirement ids of the turns that the stream belongs to; its events carry them. */
  readonly loops?: (state: State, id: string) => readonly string[]
}
export interface Stream<State, F extends FactTable, Asks, Tells, Key extends string> extends Rules<State, F, Asks, Tells, Key> {
  readonly name: string
  readonly facts: F
  readonly initial: State
}
// biome-ignore lint/suspicious/noExplicitAny: the one name for "some stream"; its parts are recovered by inference
export type AnyStream = Stream<any, any, any, any, any>
export type StateOf<S> = S extends { readonly initial: infer State } ? State : never

/** In two steps, so that the compiler knows the state before it reads the rules. */
export function stream<State, F extends FactTable>(name: string, facts: F, initial: State) {
  return <Asks extends RuleSet<State, FactOf<F>>, Tells extends RuleSet<State, FactOf<F>>, Key extends string>(
    rules: Rules<State, F, Asks, Tells, Key>,
  ): Stream<State, F, Asks, Tells, Key> => ({ name, facts, initial, ...rules })
}

export interface Decision {
  readonly facts: readonly Fact[]
  readonly refused?: DomainError
}

/** Runs the rule. Only an ask can be refused; a refusal may leave facts. Anything else that is thrown is a defect. */
export function decide(message: Message, state: unknown, context: Context): Decision {
  const { stream, kind, rule, input } = message
  const run: Rule<unknown, Fact> | undefined = (kind === 'ask' ? stream.asks : stream.tells)[rule]
  if (!run) throw new TypeError(`${stream.name} has no ${kind} "${rule}"`)
  try {
    return { facts: run(state, input, context) }
  } catch (error) {
    if (kind === 'ask' && error instanceof DomainError) return { facts: error.record, refused: error }
    throw error
  }
}

/** The state after one more fact (data of the newest version). */
export function evolve<State>(stream: AnyStream, state: State, verb: string, data: unknown, occurrence: Occurrence): State {
  const step = stream.evolve[verb]
  if (!step) throw new TypeError(`${stream.name} knows no fact "${verb}"`)
  return step(state, data, occurrence)
}

/** A stored event raised to the newest version of its fact and folded in. */
export function fold<State>(stream: AnyStream & { readonly initial: State }, state: State, event: Envelope): State {
  const verb = event.type.slice(event.type.lastIndexOf('.') + 1)
  const data = stream.facts[verb]?.read(event.schemaVersion, event.data)
  return evolve(stream, state, verb, data, { id: event.id, at: event.occurredAt, actor: event.actor })
}
