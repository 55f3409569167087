import { type AnyStream, type Envelope, type ErrorCode, fold, type Instant } from '@rondo/kernel'
import type pg from 'pg'
import { unavailable } from './failure.ts'

/** A stream as it is stored. */
export interface Head {
  readonly version: number
  readonly fold: number
  readonly state: unknown
  readonly phase: string | null
  readonly firstAt: Instant
  readonly lastAt: Instant
}
export interface HeadRow extends Head {
  readonly stream: string
  readonly id: string
}

/** What became of a message, kept under its id. */
export type StoredOutcome =
  | { readonly results: readonly { readonly streamId: string; readonly version: number }[] }
  | { readonly refused: { readonly code: ErrorCode; readonly message: string; readonly details: Readonly<Record<string, unknown>> } }
export interface StoredMessage {
  readonly id: string
  readonly hash: string
  readonly outcome: StoredOutcome
}

/** Stream names hold no slash, so this names one stream. */
export const keyOf = (stream: string, id: string): string => `${stream}/${id}`

export const headColumns = (table: string): string =>
  `${table}.stream, ${table}.id, ${table}.version, ${table}.fold, ${table}.state, ${table}.phase, ${table}.first_at as "firstAt", ${table}.last_at as "lastAt"`

export const envelopeColumns = `id, stream, stream_id as "streamId", version, position, partition, type, schema_version as "schemaVersion", data,
  occurred_at as "occurredAt", recorded_at as "recordedAt", actor, correlation_id as "correlationId", causation_id as "causationId",
  traceparent, loop_ids as "loopIds"`

export type EnvelopeRow = Omit<Envelope, 'position' | 'traceparent'> & { readonly position: string; readonly traceparent: string | null }

export function toEnvelope({ position, traceparent, ...row }: EnvelopeRow): Envelope {
  return { ...row, position: Number(position), ...(traceparent === null ? {} : { traceparent }) }
}

type Queryable = Pick<pg.Pool, 'query'>

export async function selectEvents(queryable: Queryable, rest: string, values: readonly unknown[]): Promise<readonly Envelope[]> {
  const { rows } = await queryable.query<EnvelopeRow>(`select ${envelopeColumns} from event ${rest}`, [...values])
  return rows.map(toEnvelope)
}

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

/** The state by the present rules: refuses a higher fold, folds a lower one again. */
export async function current<H extends HeadRow>(queryable: Queryable, stream: AnyStream, row: H): Promise<H> {
  if (row.fold === stream.fold) return row
  if (row.fold > stream.fold) throw tooNew(stream, row)
  return { ...row, fold: stream.fold, state: (await refoldedAll(queryable, stream, [row])).get(row.id) }
}

export const tooNew = (stream: AnyStream, { id, fold }: { readonly id: string; readonly fold: number }) =>
  unavailable(
    `${stream.name} ${id} was written by a newer version (fold ${fold}, this one knows ${stream.fold}): the newer one has to answer`,
  )
