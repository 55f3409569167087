import { type AnyStream, type ErrorCode, fold, type Instant } from '@rondo/kernel'
import { unavailable } from './failure.ts'
import type { Store } from './store.ts'

/** How the ledger stood when something of it was read: what an append compares that rests on that. */
export interface Seen {
  /** The last one. */
  readonly position: number
  /** When the event there was recorded; null: it is not known. */
  readonly recordedAt: Instant | null
  /** How often states were set right. */
  readonly repaired: number
}

/** A stream as it is stored. */
export interface Head {
  readonly version: number
  readonly fold: number
  readonly state: unknown
  readonly phase: string | null
  readonly firstAt: Instant
  readonly lastAt: Instant
  /** Absent: it was loaded for the batch. */
  readonly seen?: Seen
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

const pageSize = 1_000

type Events = Pick<Store, 'streamEvents'>

/** The state of a stream at a version, folded from its events by the present rules. */
export async function refolded(store: Events, stream: AnyStream, id: string, version: number): Promise<unknown> {
  let state: unknown = stream.initial
  for (let after = 0; after < version; after += pageSize) {
    const events = await store.streamEvents(stream.name, id, after, Math.min(version, after + pageSize))
    state = events.reduce((folded, event) => fold(stream, folded, event), state)
  }
  return state
}

/** The state by the present rules: refuses a higher fold, folds a lower one again. */
export async function current<H extends HeadRow>(store: Events, stream: AnyStream, row: H): Promise<H> {
  if (row.fold === stream.fold) return row
  if (row.fold > stream.fold) throw tooNew(stream, row)
  return { ...row, fold: stream.fold, state: await refolded(store, stream, row.id, row.version) }
}

export const tooNew = (stream: AnyStream, { id, fold }: { readonly id: string; readonly fold: number }) =>
  unavailable(
    `${stream.name} ${id} was written by a newer version (fold ${fold}, this one knows ${stream.fold}): the newer one has to answer`,
  )
