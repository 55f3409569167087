import type { Envelope } from '@rondo/kernel'
import type { Chained } from '../store.ts'
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

/** Of an event: what stands before it, and where it is the first of a new plan in its partition, the ends of the plan before. */
export const chainColumns = `previous,
  (select tails from plan where plan.start >= event.previous and plan.start < event.position order by plan.start desc limit 1) as after`

export type ChainedRow = EnvelopeRow & { readonly previous: string; readonly after: readonly string[] | null }

export const toChained = ({ previous, after, ...row }: ChainedRow): Chained => ({
  event: toEnvelope(row),
  previous: Number(previous),
  ...(after === null ? {} : { after: after.map(Number) }),
})
