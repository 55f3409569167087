import { DomainError } from '@rondo/kernel'
import { CheckpointGap } from '@rondo/ledger'
import { Behind } from './in-flight.ts'
import { NewerFact } from './reaction-table.ts'

/** What says "later": nothing is wrong with the record. */
const temporary: readonly string[] = ['unavailable', 'conflict', 'timed_out', 'rate_limited', 'overloaded']

export const isTemporary = (error: unknown): boolean =>
  error instanceof NewerFact ||
  error instanceof CheckpointGap ||
  error instanceof Behind ||
  (error instanceof DomainError && temporary.includes(error.code))

/** Why a key is parked, as it is stored. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 2000)
