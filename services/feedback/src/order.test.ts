import { type AnyStream, decide, evolve, type Instant, plus } from '@rondo/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { item } from './item.ts'
import { requester } from './requester.ts'
import { turn } from './turn.ts'

interface Message {
  readonly rule: string
  readonly input: unknown
  readonly at: Instant
}
const start: Instant = '2026-01-01T00:00:00.000000Z'
const few = (prefix: string) => fc.integer({ min: 1, max: 3 }).map((n) => `${prefix}-${n}`)
const requirement = few('REQ')

const inputs = {
  item: {
    issueObserved: fc.record({
      text: few('text'),
      requester: few('r'),
      external: fc.constant('#7'),
      repository: fc.constant('example/shop'),
      service: fc.constantFrom(undefined, 'shop'),
    }),
    issueCommented: fc.record({ comment: few('c'), text: few('text'), by: fc.constant('person:ada') }),
    serviceFound: fc.record({ service: few('service') }),
    requirementKnown: fc.record({ requirement, requester: few('r'), moved: fc.constant(true) }),
    requirementLost: fc.record({ requirement }),
  },
  turn: {
    raised: fc.record({ title: few('title'), service: fc.constant('shop') }),
    decided: fc.record({ decision: fc.constantFrom('verified', 'reopened', 'declined', 'merged', 'unmerged'), reason: few('reason') }),
    moved: fc.record({
      place: few('place'),
      artifact: fc.constantFrom(`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`),
      inside: fc.boolean(),
      at: fc.constantFrom(start, plus(start, 1000), plus(start, 2000)),
      basis: fc.integer({ min: 0, max: 2 }),
    }),
  },
  requester: { seen: fc.constant(undefined) },
} satisfies Readonly<Record<string, Readonly<Record<string, fc.Arbitrary<unknown>>>>>

function told(stream: AnyStream, messages: readonly Message[]): unknown {
  return messages.reduce<unknown>((state, { rule, input, at }, index) => {
    const { facts } = decide({ kind: 'tell', stream, id: 'x', rule, input }, state, {
      at,
      actor: 'person:ada',
      messageId: `m-${index}`,
      streamId: 'x',
    })
    return facts.reduce(
      (next, { verb, data }) =>
        evolve(stream, next, verb, stream.facts[verb].schema.parse(data), { id: `m-${index}`, at, actor: 'person:ada' }),
      state,
    )
  }, stream.initial)
}
const canonical = (value: unknown) => JSON.parse(JSON.stringify(value))

describe.each([item, turn, requester] as readonly AnyStream[])('$name', (stream) => {
  const table: Readonly<Record<string, fc.Arbitrary<unknown>>> = inputs[stream.name as keyof typeof inputs]
  const one = fc.oneof(...Object.entries(table).map(([rule, input]) => input.map((value) => ({ rule, input: value }))))
  const history = fc
    .array(one, { minLength: 1, maxLength: 10 })
    .map((all): readonly Message[] => all.map((message, index) => ({ ...message, at: plus(start, index * 1000) })))

  it('has an input for every tell', () => expect(Object.keys(table).sort()).toEqual(Object.keys(stream.tells).sort()))

  it('ends in the same state whatever the order and however often, and no tell throws', () => {
    const shuffled = history.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 })),
    )
    fc.assert(
      fc.property(shuffled, ([all, twice]) => {
        expect(canonical(told(stream, twice))).toEqual(canonical(told(stream, all)))
      }),
      { numRuns: 300 },
    )
  })
})
