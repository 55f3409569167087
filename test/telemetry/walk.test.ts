import { expect, test } from 'vitest'
import type { Ref, Span } from './spans.ts'
import { Graph } from './walk.ts'

const at = (name: string): Ref => ({ traceId: `t-${name}`, spanId: name })
const span = (name: string, { parent, links = [], cause }: { parent?: string; links?: string[]; cause?: string } = {}): Span => ({
  ...at(name),
  name,
  service: 's',
  kind: undefined,
  scope: 'rondo',
  durationMs: 1,
  parent: parent === undefined ? undefined : at(parent),
  links: links.map(at),
  tags: cause === undefined ? {} : { 'rondo.cause.trace_id': `t-${cause}`, 'rondo.cause.span_id': cause },
})
const spans = [span('a'), span('b', { parent: 'a' }), span('c', { links: ['b'] }), span('d', { cause: 'c' }), span('other')]
const [a, , , d, other] = spans as [Span, Span, Span, Span, Span]
const named = (name: string) => (one: Span) => one.name === name

test('parents, links and links told as attributes lead back', () => {
  const path = new Graph(spans, { both: false }).walk(d, named('a'))
  expect(path?.map(({ span: one, by }) => [one.name, by])).toEqual([
    ['d', undefined],
    ['c', 'attribute'],
    ['b', 'link'],
    ['a', 'parent'],
  ])
})

test('forwards only where both directions are asked for', () => {
  expect(new Graph(spans, { both: false }).walk(a, named('d'))).toBeUndefined()
  expect(new Graph(spans, { both: true }).walk(a, named('d'))).toHaveLength(4)
})

test('what is not connected is not reached', () => {
  expect(new Graph(spans, { both: true }).walk(other, named('a'))).toBeUndefined()
})
