import { type AnyStream, type Envelope, fold } from '@rondo/kernel'
import type { Queryable } from './connection.ts'

export const headColumns = (table: string): string =>
  `${table}.stream, ${table}.id, ${table}.version, ${table}.fold, ${table}.state, ${table}.phase, ${table}.first_at as "firstAt", ${table}.last_at as "lastAt"`

export const envelopeColumns = `id, stream, stream_id as "streamId", version, position, partition, type, schema_version as "schemaVersion", data,
  occurred_at as "occurredAt", recorded_at as "recordedAt", actor, correlation_id as "correlationId", causation_id as "causationId",
  traceparent, loop_ids as "loopIds"`

export type EnvelopeRow = Omit<Envelope, 'position' | 'traceparent'> & { readonly position: string; readonly traceparent: string | null }

export function toEnvelope({ position, traceparent, ...row }: EnvelopeRow): Envelope {
  return { ...row, position: Number(position), ...(traceparent === null ? {} : { traceparent }) }
}

export async function selectEvents(queryable: Queryable, rest: string, values: readonly unknown[]): Promise<readonly Envelope[]> {
  const { rows } = await queryable.query<EnvelopeRow>(`select ${envelopeColumns} from event ${rest}`, [...values])
  return rows.map(toEnvelope)
}

/** Of one stream, in the order of versions. */
export const selectStream = (queryable: Queryable, stream: string, id: string, after: number, upTo: number) =>
  selectEvents(queryable, 'where stream = $1 and stream_id = $2 and version > $3 and version <= $4 order by version', [
    stream,
    id,
    after,
    upTo,
  ])

const pageSize = 2_000

/** By stream id: the states of streams at their versions, folded from their events by the present rules. */
export async function refoldedAll(
  queryable: Queryable,
  stream: AnyStream,
  heads: readonly { readonly id: string; readonly version: number }[],
): Promise<ReadonlyMap<string, unknown>> {
  const states = new Map<string, unknown>(heads.map(({ id }) => [id, stream.initial]))
  const versions = new Map(heads.map(({ id, version }) => [id, version]))
  for (let [id, version] = ['', 0]; ; ) {
    const events = await selectEvents(
      queryable,
      'where stream = $1 and stream_id = any($2) and (stream_id, version) > ($3, $4) order by stream_id, version limit $5',
      [stream.name, [...states.keys()], id, version, pageSize],
    )
    for (const event of events) {
      if (event.version <= (versions.get(event.streamId) ?? 0)) states.set(event.streamId, fold(stream, states.get(event.streamId), event))
    }
    const last = events.at(-1)
    if (!last || events.length < pageSize) return states
    id = last.streamId
    version = last.version
  }
}
