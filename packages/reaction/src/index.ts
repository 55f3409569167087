import type { AnyStream, Envelope, FactType, StateOf, Tell } from '@rondo/kernel'

/** Runs SQL in the service's own schema. Rows as the driver gives them. */
export type Sql = <Row>(text: string, values?: readonly unknown[]) => Promise<readonly Row[]>

/** A read model: its table (made by the service's migrations), what each fact does to it, its queries. */
export interface View<Queries = unknown> {
  readonly name: string
  /** Raise when `on` changes its meaning: `tables` are emptied and the ledger's own facts projected again before it is ready. Default: 1. */
  readonly version?: number
  readonly tables?: readonly string[]
  /** Own facts are applied in the transaction that appends them, foreign ones in the one that moves the checkpoint. */
  readonly on: readonly Projection[]
  readonly queries: (sql: Sql) => Queries
}
export interface Projection {
  readonly fact: FactType
  readonly apply: (sql: Sql, event: Envelope) => Promise<void>
  /** The same as `apply` for each, in their order: for facts that come in thousands, and whose way to the database costs more than their work. */
  readonly applyAll?: (sql: Sql, events: readonly Envelope[]) => Promise<void>
}
export function project<Data>(
  fact: FactType<string, Data>,
  apply: (sql: Sql, event: Envelope<Data>) => Promise<void>,
  applyAll?: (sql: Sql, events: readonly Envelope<Data>[]) => Promise<void>,
): Projection {
  const all = applyAll && { applyAll: applyAll as NonNullable<Projection['applyAll']> }
  return { fact: fact as FactType, apply: apply as Projection['apply'], ...all }
}

export interface Found<State> {
  readonly id: string
  readonly version: number
  readonly state: State
}
export interface ListOptions {
  readonly phase?: string | undefined
  /** All of them must be held, by the stream's key names. */
  readonly keys?: Readonly<Record<string, string>>
  /** By the first fact's occurred_at, then the id. Default: newest first. */
  readonly order?: 'occurred_at' | 'occurred_at desc'
  readonly pageSize?: number
  readonly pageToken?: string
}
/** Reads of the own service: streams by id or key, views. */
export interface Read {
  /** The initial state where the stream does not exist. */
  load<S extends AnyStream>(stream: S, id: string): Promise<StateOf<S>>
  loadAll<S extends AnyStream>(stream: S, ids: readonly string[]): Promise<readonly Found<StateOf<S>>[]>
  /** Streams that hold any of the values under this key, by id. */
  find<S extends AnyStream>(stream: S, key: keyof S['keys'] & string, values: readonly string[]): Promise<readonly Found<StateOf<S>>[]>
  list<S extends AnyStream>(stream: S, options: ListOptions): Promise<{ items: readonly Found<StateOf<S>>[]; nextPageToken: string }>
  view<Queries>(view: View<Queries>): Queries
}

/** A fact → a read of own streams (absent: it needs none) → tells. */
export interface Reaction {
  readonly fact: FactType
  readonly read?: (event: Envelope, read: Read) => unknown
  readonly react: (event: Envelope, found: unknown) => readonly Tell[]
}

/** `when(fact, event => tells)` or `when(fact, (event, read) => found, (event, found) => tells)`. */
export function when<Data>(fact: FactType<string, Data>, react: (event: Envelope<Data>) => readonly Tell[]): Reaction
export function when<Data, R>(
  fact: FactType<string, Data>,
  read: (event: Envelope<Data>, read: Read) => Promise<R>,
  react: (event: Envelope<Data>, found: R) => readonly Tell[],
): Reaction
export function when(fact: FactType, first: unknown, second?: unknown): Reaction {
  return second
    ? { fact, read: first as NonNullable<Reaction['read']>, react: second as Reaction['react'] }
    : { fact, react: first as Reaction['react'] }
}
