import { keyOf } from '../storage.ts'
import type { AppendRows, Lost, ReadRow, StreamRow } from '../store.ts'
import type { ModelDatabase } from './database.ts'
import { chainKey, heldKey, parkedKey, timerKey } from './names.ts'

/** Which rows are not as the batch was decided on; undefined: all are. */
export function lostOf(database: ModelDatabase, { streams = [], derived, intake }: AppendRows): Lost | undefined {
  const { messages = [], checkpoints = [], fired = [], parked = [] } = intake
  const lost = {
    streams: [
      ...streams.filter((row) => isOther(database, row)),
      ...(derived.guess?.read ?? []).filter((row) => isMoved(database, row)),
    ].map(({ stream, id }) => [stream, id] as const),
    messages: messages.filter(({ id }) => database.messages.has(id)).map(({ id }) => id),
    checkpoints: checkpoints
      .filter(({ source, partition, previous }) => (database.checkpoints.get(chainKey(source, partition))?.position ?? null) !== previous)
      .map(({ source, partition }) => [source, partition] as const),
    timers: fired
      .filter((timer) => {
        const stored = database.timers.get(timerKey(timer))
        return stored === undefined || stored.firedAt !== undefined
      })
      .map(({ stream, stream_id, tell, due }) => [stream, stream_id, tell, due] as const),
    keys: heldByOthers(database, derived),
    parked: parked
      .filter((record) => !database.parkedRecords.get(parkedKey(record))?.has(record.position))
      .map(({ source, partition, key, position }) => [source, partition, key, position] as const),
  }
  const some = Object.entries(lost).filter(([, rows]) => rows.length > 0)
  return some.length > 0 ? Object.fromEntries(some) : undefined
}

function isOther(database: ModelDatabase, { stream, id, base, fold }: StreamRow): boolean {
  const stored = database.streams.get(keyOf(stream, id))
  return stored !== undefined && (stored.version !== base || stored.fold > fold)
}

function isMoved(database: ModelDatabase, { stream, id, version, fold }: ReadRow): boolean {
  const stored = database.streams.get(keyOf(stream, id))
  return (stored?.version ?? 0) !== version || (stored?.fold ?? 0) > fold
}

function heldByOthers(database: ModelDatabase, { keys = [], keys_gone = [] }: AppendRows['derived']) {
  const gone = new Set(keys_gone.map((key) => JSON.stringify([heldKey(key), key.id])))
  return keys
    .filter(({ is_unique }) => is_unique)
    .flatMap((key) =>
      [...(database.keys.get(heldKey(key))?.values() ?? [])]
        .filter((held) => held.is_unique && held.id !== key.id && !gone.has(JSON.stringify([heldKey(key), held.id])))
        .map((held) => [key.stream, key.name, key.value, held.id] as const),
    )
}
