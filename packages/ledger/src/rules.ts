import type { AnyStream } from '@rondo/kernel'
import type { Projection, View } from '@rondo/reaction'

/** What the ledger was opened with. */
export interface LedgerRules {
  readonly service: string
  readonly streams: ReadonlyMap<string, AnyStream>
  /** By the fact's type without version: projections of own facts. */
  readonly projections: ReadonlyMap<string, readonly Projection[]>
  /** Bytes of an event's data, and of a state. */
  readonly maxEventBytes: number
}

export function ledgerRules(service: string, streams: readonly AnyStream[], views: readonly View[], maxEventBytes: number): LedgerRules {
  const byName = new Map(streams.map((stream) => [stream.name, stream]))
  if (byName.size !== streams.length) throw new TypeError(`two streams of ${service} have the same name`)
  const odd = streams.find(({ name }) => name === '' || name.includes('/'))
  if (odd) throw new TypeError(`a stream of ${service} is named "${odd.name}": a name must not be empty or hold a slash`)
  const projections = new Map<string, Projection[]>()
  for (const projection of views.flatMap(({ on }) => on)) {
    projections.set(projection.fact.base, [...(projections.get(projection.fact.base) ?? []), projection])
  }
  return { service, streams: byName, projections, maxEventBytes }
}
