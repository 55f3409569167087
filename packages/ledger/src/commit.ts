import { type Clock, pause } from '@rondo/bus'
import type { DomainError } from '@rondo/kernel'
import { append, findWritten, isEmpty, lostOf } from './append.ts'
import type { Batch, Work } from './batch.ts'
import type { Database } from './database.ts'
import { failureOf, isDown, unavailable } from './failure.ts'
import type { LedgerRules } from './rules.ts'
import type { Lost, Written } from './store.ts'

export type Committed =
  /** `at`: when the statement was sent. */
  | { readonly written: Written; readonly at: number }
  /** Nothing was written: who rests on it has to be decided again. */
  | { readonly lost: Lost }
  /** It will fail each time: somebody in the batch is the culprit. */
  | { readonly failed: unknown }
  /** Nobody can write by what this process takes the ledger for. */
  | { readonly refused: DomainError }

const maxAttempts = 8
/** How long a lost reply is looked up before those who wait are told that the outcome is not known. */
const lookUpMs = 10_000

/** Before the n-th next attempt (from 0): 20 ms, doubled up to a second. */
export const backoff = (clock: Clock, attempt: number) => pause(clock, Math.min(1_000, 20 * 2 ** attempt))

/** Writes the batch once, whatever happens to the reply. Rejects with `unavailable` where it cannot be or is not known. */
export async function commit(database: Database, works: readonly Work[], batch: Batch, rules: LedgerRules): Promise<Committed> {
  if (isEmpty(batch)) return { written: { position: 0, recordedAt: '' }, at: 0 }
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const at = database.clock.now()
    try {
      return { written: await append(database.store, works, batch, rules), at }
    } catch (error) {
      const judgement = await judged(database, batch, error)
      if (judgement) return judgement
      await backoff(database.clock, attempt)
    }
  }
  throw unavailable('the database could not write')
}

/** Undefined: nothing was written, and the same again may succeed. */
async function judged(database: Database, batch: Batch, error: unknown): Promise<Committed | undefined> {
  const lost = lostOf(error)
  if (lost) return { lost }
  switch (failureOf(error)) {
    case 'fenced':
      return { refused: unavailable('a newer version of this service has taken over', error) }
    case 'replanned':
      return { refused: unavailable('the partition plan was changed at this moment', error) }
    case 'statement':
    case 'lost':
      return { failed: error }
    case 'down': {
      const written = await lookUp(database, batch, error)
      return written && { written, at: 0 }
    }
    case 'again':
      // By the order of locks it should not happen: worth knowing
      database.log.warn(
        { service: database.service, error: String(error) },
        'the database chose the batch as a victim; it is written again',
      )
      return undefined
  }
}

/** Before anyone is answered: was it committed? */
async function lookUp(database: Database, batch: Batch, cause: unknown): Promise<Written | undefined> {
  const end = database.clock.now() + lookUpMs
  for (let attempt = 0; ; attempt++) {
    try {
      return await findWritten(database.store, batch)
    } catch (error) {
      if (!isDown(error)) throw error
      if (database.clock.now() > end) {
        throw unavailable('the database went away while it wrote: whether it did is not known; the same id again is safe', cause)
      }
      await backoff(database.clock, attempt)
    }
  }
}
