import type { Envelope } from '@rondo/kernel'
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
