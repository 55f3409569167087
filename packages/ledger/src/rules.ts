import type { AnyStream } from '@rondo/kernel'
import type { Projection, View } from '@rondo/reaction'
import type { DraftEvent } from './decision.ts'

/** How large an event may be as a record of the topic that it is sent to. */
export interface RecordBound {
  readonly topic: string
  /** Bytes that the topic takes of one record. */
  limit(): number
  /** Bytes that the event takes, whatever its place will be. */
  bytesOf(event: DraftEvent): number
}

/** What the ledger was opened with. */
export interface LedgerRules {
  readonly service: string
  readonly streams: ReadonlyMap<string, AnyStream>
  /** By the fact's type without version: projections of own facts. */
  readonly projections: ReadonlyMap<string, readonly Projection[]>
  /** Bytes of an event's data, and of a state. */
  readonly maxEventBytes: number
  /** Absent: no event is too large to be sent. */
  readonly record: RecordBound | undefined
}

export function ledgerRules(
  service: string,
  streams: readonly AnyStream[],
  views: readonly View[],
  { maxEventBytes, record }: Pick<LedgerRules, 'maxEventBytes' | 'record'>,
): LedgerRules {
  const byName = new Map(streams.map((stream) => [stream.name, stream]))
  if (byName.size !== streams.length) throw new TypeError(`two streams of ${service} have the same name`)
  const odd = streams.find(({ name }) => name === '' || name.includes('/'))
  if (odd) throw new TypeError(`a stream of ${service} is named "${odd.name}": a name must not be empty or hold a slash`)
  const projections = new Map<string, Projection[]>()
  for (const projection of views.flatMap(({ on }) => on)) {
    projections.set(projection.fact.base, [...(projections.get(projection.fact.base) ?? []), projection])
  }
  return { service, streams: byName, projections, maxEventBytes, record }
}
