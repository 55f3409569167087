import { keyOf, type Ref, type Span } from './spans.ts'

/** How one span leads to another. */
export interface Step {
  readonly span: Span
  /** By what the step was made; undefined: the beginning. */
  readonly by: 'parent' | 'link' | 'attribute' | undefined
}

interface Edge {
  readonly to: string
  readonly by: Exclude<Step['by'], undefined>
}

/** Links as they can be searched for: a pair of ids under one prefix. */
function named({ tags }: Span, prefix: string): readonly Ref[] {
  const [traceId, spanId] = [tags[`${prefix}.trace_id`], tags[`${prefix}.span_id`]]
  return typeof traceId === 'string' && typeof spanId === 'string' ? [{ traceId, spanId }] : []
}

/** What a span names: its parent, its links, and the same as attributes. */
export const namedBy = (span: Span): readonly Edge[] => [
  ...(span.parent ? [{ to: keyOf(span.parent), by: 'parent' as const }] : []),
  ...span.links.map((link) => ({ to: keyOf(link), by: 'link' as const })),
  ...[...named(span, 'rondo.cause'), ...named(span, 'rondo.before')].map((one) => ({ to: keyOf(one), by: 'attribute' as const })),
]

/** Spans by key, and for each its neighbours: those that it names, and (`both`) those that name it. */
export class Graph {
  readonly #spans: ReadonlyMap<string, Span>
  readonly #edges = new Map<string, Edge[]>()

  constructor(spans: readonly Span[], { both }: { readonly both: boolean }) {
    this.#spans = new Map(spans.map((span) => [keyOf(span), span]))
    for (const span of spans) {
      for (const { to, by } of namedBy(span)) {
        this.#add(keyOf(span), { to, by })
        if (both) this.#add(to, { to: keyOf(span), by })
      }
    }
  }

  #add(from: string, edge: Edge) {
    const edges = this.#edges.get(from) ?? []
    edges.push(edge)
    this.#edges.set(from, edges)
  }

  /** The shortest way from a span to one that is wanted; undefined: there is none. */
  walk(from: Span, wanted: (span: Span) => boolean): readonly Step[] | undefined {
    const reached = new Map<string, { readonly step: Step; readonly before: string | undefined }>()
    reached.set(keyOf(from), { step: { span: from, by: undefined }, before: undefined })
    for (const [key, { step }] of reached) {
      if (wanted(step.span)) return this.#path(reached, key)
      for (const { to, by } of this.#edges.get(key) ?? []) {
        const span = this.#spans.get(to)
        // A Map is walked in the order of insertion, also what is inserted meanwhile
        if (span && !reached.has(to)) reached.set(to, { step: { span, by }, before: key })
      }
    }
    return undefined
  }

  #path(reached: ReadonlyMap<string, { readonly step: Step; readonly before: string | undefined }>, end: string): readonly Step[] {
    const path: Step[] = []
    for (let at: string | undefined = end; at !== undefined; ) {
      const one: { readonly step: Step; readonly before: string | undefined } | undefined = reached.get(at)
      if (!one) break
      path.unshift(one.step)
      at = one.before
    }
    return path
  }
}

/** For whoever reads why a walk was possible. */
export const told = (path: readonly Step[]): string =>
  path
    .map(({ span, by }) => `${by ? `  by ${by}: ` : ''}${span.service} ${span.name} ${span.tags['cloudevents.event_type'] ?? ''}`)
    .join('\n')
