import type { Wire } from '@rondo/bus/wire'
import { type AnyStream, fold } from '@rondo/kernel'
import { derive } from '../derived.ts'
import { unavailable } from '../failure.ts'
import type { LedgerRules } from '../rules.ts'
import { keyOf } from '../storage.ts'
import { jsonb, type ModelDatabase, type StoredStream } from './database.ts'
import { timerKey } from './names.ts'

type Ask = Wire['call']
/** Streams in one transaction: few, so that others come between two of them. */
const chunk = 2
/** Streams that are folded again while nobody can write any: more than begin in the moment before. */
const mostHeld = 20

/**
 * Folds again what a lower fold has stored, and then keeps lower folds from writing; in the same steps as on PostgreSQL, so that whoever
 * writes by a lower fold meanwhile comes between any two of them.
 */
export async function raiseFolds(database: ModelDatabase, ask: Ask, write: Ask, rules: LedgerRules): Promise<void> {
  for (const stream of rules.streams.values()) await raiseFold(database, ask, write, stream)
}

async function raiseFold(database: ModelDatabase, ask: Ask, write: Ask, stream: AnyStream): Promise<void> {
  const { head } = database
  const stored = await ask('fold', () => head.folds[stream.name] ?? 0)
  if (stored === stream.fold) return
  if (stored > stream.fold)
    throw unavailable(`the ledger runs with fold ${stored} of ${stream.name}, this program knows ${stream.fold}: start the newer version`)
  const stale = () => [...database.streams.values()].filter((row) => row.stream === stream.name && row.fold < stream.fold)
  const close = () => {
    // What others have written since it was read, while nobody can write it
    for (const row of stale().slice(0, mostHeld)) replace(database, stream, row, refolded(database, stream, row))
    if (stale().length > 0) return false
    head.folds[stream.name] = Math.max(head.folds[stream.name] ?? 0, stream.fold)
    return true
  }
  do {
    const rows = await ask('lower folds', () => stale().map((row) => ({ row, state: refolded(database, stream, row) })))
    for (let from = 0; from < rows.length; from += chunk) {
      const some = rows.slice(from, from + chunk)
      await write('fold again', () => database.free(() => some.forEach(({ row, state }) => void replace(database, stream, row, state))))
    }
  } while (!(await write('raise fold', () => database.free(close))))
}

const refolded = (database: ModelDatabase, stream: AnyStream, { id, version }: StoredStream): unknown =>
  database.events
    .filter(({ envelope }) => envelope.stream === stream.name && envelope.streamId === id && envelope.version <= version)
    .reduce((state, { envelope }) => fold(stream, state, envelope), stream.initial)

/** Where it is still as it was read. */
function replace(database: ModelDatabase, stream: AnyStream, { id, version }: StoredStream, state: unknown): void {
  const stored = database.streams.get(keyOf(stream.name, id))
  if (stored?.version !== version || stored.fold >= stream.fold) return
  const { keys, timers, loops } = derive(stream, id, { state })
  database.streams.set(keyOf(stream.name, id), { ...stored, fold: stream.fold, state: jsonb(state), phase: stream.phase?.(state) })
  for (const holders of database.keys.values()) if (holders.get(id)?.stream === stream.name) holders.delete(id)
  // Those that are there already stay as they are: fired ones must not fire again
  const due = new Set(timers.map(timerKey))
  for (const [key, row] of database.timers)
    if (row.stream === stream.name && row.stream_id === id && !due.has(key)) database.timers.delete(key)
  database.writeDerived({ keys: keys.map((key) => ({ ...key, first_at: stored.first_at })), timers, loops })
}
