import type { DomainError, ErrorCode } from './errors.ts'
import type { Fact, FactOf } from './fact.ts'
import { type Instant, plus } from './instant.ts'
import { type AnyStream, type Context, decide, evolve, type InputOf, type StateOf } from './stream.ts'

const start: Instant = '2026-01-01T00:00:00.000000Z'
const actor = 'person:somebody'

/** Text by which two values are equal: object keys sorted, `undefined` left out; with `sets`, arrays too. */
function canonical(value: unknown, sets = false): string {
  // A sort to which all are equal leaves them where they are
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, sets)).sort(sets ? undefined : () => 0)}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).flatMap(([name, it]) => (it === undefined ? [] : `${JSON.stringify(name)}:${canonical(it, sets)}`))
  return `{${fields.sort().join()}}`
}

function same(what: string, actual: unknown, expected: unknown, sets = false) {
  if (canonical(actual, sets) === canonical(expected, sets)) return
  throw new Error(`${what}\n  expected ${canonical(expected, sets)}\n  but was  ${canonical(actual, sets)}`)
}

const shown = (facts: readonly Fact[]) => facts.map(({ type, data }) => ({ type, data }))

/** Every order of up to six, else a rotation and its reverse for each start. */
function orders<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length > 6)
    return items.flatMap((_, at) => [[...items.slice(at), ...items.slice(0, at)], [...items.slice(at), ...items.slice(0, at)].reverse()])
  return items.length < 2 ? [items] : items.flatMap((item, at) => orders(items.toSpliced(at, 1)).map((rest) => [item, ...rest]))
}

/** A fact that happened at a given time; without it, given facts are a minute apart in the order written. */
export const at = <F extends Fact>(time: Instant, fact: F): F & { readonly occurredAt: Instant } => ({ ...fact, occurredAt: time })

type Try<Table, Done> = <Name extends keyof Table & string>(rule: Name, input?: InputOf<Table[Name]>, context?: Partial<Context>) => Done

/** `given(stream, …facts).ask('name', input).then(…facts)`; `.refused(code)`; `.inAnyOrder().phase('…')`. */
export function given<S extends AnyStream>(stream: S, ...history: readonly FactOf<S['facts']>[]) {
  const facts = history as readonly (Fact & { occurredAt?: Instant })[]
  const timed = facts.map((fact, index) => ({
    fact,
    occurrence: { id: `fact-${index + 1}`, at: fact.occurredAt ?? plus(start, index * 60_000), actor },
  }))
  const replay = (order = timed): StateOf<S> =>
    order.reduce((state, { fact, occurrence }) => evolve(stream, state, fact.verb, fact.data, occurrence), stream.initial as StateOf<S>)
  const run =
    (kind: 'ask' | 'tell') =>
    (rule: string, input?: unknown, context: Partial<Context> = {}) => {
      const after = { at: plus(start, facts.length * 60_000), actor, messageId: 'message-1', streamId: 'stream-1', ...context }
      const { facts: made, refused } = decide({ kind, stream, id: after.streamId, rule, input }, replay(), after)
      return {
        then(...expected: readonly Fact[]) {
          if (refused) throw new Error(`${rule} was refused: ${refused.code} ${refused.message}`)
          same(`${stream.name} ${rule}`, shown(made), shown(expected))
        },
        nothing: () => same(`${stream.name} ${rule}`, refused ?? shown(made), []),
        refused(code: ErrorCode, record: readonly Fact[] = []): DomainError {
          if (!refused) throw new Error(`${rule} was not refused but made ${canonical(shown(made))}`)
          same(`${stream.name} ${rule}: ${refused.message}`, refused.code, code)
          same(`${stream.name} ${rule} leaves`, shown(made), shown(record))
          return refused
        },
      }
    }
  const inEvery = (states: () => readonly StateOf<S>[]) => ({
    states,
    phase: (expected: string) => states().forEach((state) => same(`phase of ${canonical(state)}`, stream.phase?.(state), expected)),
    state: (expected: StateOf<S>) => states().forEach((state) => same('state', state, expected, true)),
  })
  type Outcome = ReturnType<ReturnType<typeof run>>
  return {
    ask: run('ask') as Try<S['asks'], Outcome>,
    tell: run('tell') as Try<S['tells'], Outcome>,
    ...inEvery(() => [replay()]),
    inAnyOrder: () =>
      inEvery(() => {
        const states = orders(timed).flatMap((order) => [replay([...order]), replay([...order, ...order])])
        for (const state of states) same('the order matters', state, states[0], true)
        return states
      }),
  }
}
