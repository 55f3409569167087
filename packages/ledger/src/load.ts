import { type AnyStream, type DomainError, type Instant, DomainError as Refusal } from '@rondo/kernel'
import type { Checkpoint, Noted, Unit } from './port.ts'
import { current, type Head, type HeadRow, keyOf, type Seen, type StoredMessage } from './storage.ts'
import type { Guess, Store } from './store.ts'

/** Everything that a batch is decided on. */
export interface Loaded {
  /** By the database's clock. */
  readonly now: Instant
  readonly partitions: number
  /** Of all streams that were loaded. */
  readonly seen?: Seen
  readonly streams: ReadonlyMap<string, Head>
  /** Streams that only a newer version of the service understands. */
  readonly refused: ReadonlyMap<string, DomainError>
  readonly messages: ReadonlyMap<string, StoredMessage>
  readonly checkpoints: ReadonlyMap<string, number>
  /** It was not loaded: what has to be compared; `read` holds all streams that the units look at. */
  readonly guess?: Guess
}

/** By source and partition: asked for several times with each record that is read, of which there are many and of these few. */
const chainNames = new Map<string, string[]>()

export function chainOf({ source, partition }: { readonly source: string; readonly partition: number }): string {
  const names = chainNames.get(source) ?? []
  const name = names[partition] ?? `${partition}/${source}`
  names[partition] = name
  chainNames.set(source, names)
  return name
}

const idsOf = (noted: readonly Noted[]): readonly string[] => noted.map(({ id }) => id)

/** Loads in one query what the units touch. */
export async function load(store: Store, units: readonly Unit[]): Promise<Loaded> {
  const streams = new Map<string, AnyStream>()
  const chains = new Map<string, Checkpoint>()
  for (const { messages, checkpoint } of units) {
    for (const { stream, id } of messages) streams.set(keyOf(stream.name, id), stream)
    if (checkpoint) chains.set(chainOf(checkpoint), checkpoint)
  }
  const row = await store.load({
    streams: [...streams.keys()],
    messages: units.flatMap(({ remember, id, noted }) => (noted ? idsOf(noted) : remember ? [id] : [])),
    chains: [...chains.values()],
  })
  const heads = await folded(store, row.streams ?? [], (key) => streams.get(key))
  return {
    now: row.now,
    partitions: row.partitions,
    seen: row.seen,
    ...heads,
    messages: new Map(row.messages?.map((message) => [message.id, message])),
    checkpoints: new Map(row.checkpoints?.map((checkpoint) => [chainOf(checkpoint), checkpoint.position])),
  }
}

async function folded(store: Store, rows: readonly HeadRow[], streamOf: (key: string) => AnyStream | undefined) {
  const streams = new Map<string, Head>()
  const refused = new Map<string, DomainError>()
  for (const row of rows) {
    const key = keyOf(row.stream, row.id)
    const stream = streamOf(key)
    if (!stream) continue
    try {
      streams.set(key, await current(store, stream, row))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      refused.set(key, error)
    }
  }
  return { streams, refused }
}
