import type { Clock } from '@rondo/bus'
import type { Store } from './store.ts'

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
export const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** What became of the units that were decided together. */
export interface Batched {
  /** Written in one statement. */
  readonly written: number
  /** Lost to another writer, or to an earlier one of the batch: decided again in a later one. */
  readonly lost: number
}

/** Of the ledgers of one process, one after the other: who is on the way of a fact is not held up by who comes later. */
export interface Way {
  /** Resolves when none of those before this one is on its way, or has been for too long. */
  clear(): Promise<void>
  /** A batch is on its way until it is written, and what it recorded is sent. */
  enter(): void
  leave(): void
}

/** A service's own rows, and what its process brings to them. */
export interface Database {
  readonly service: string
  readonly store: Store
  readonly log: Log
  readonly clock: Clock
  readonly way?: Way
  readonly onBatch?: (batch: Batched) => void
}

const name = /^[a-z][a-z0-9_]{0,47}$/

/** Schema and role names are written into statements: nothing but these letters gets there. */
export function checkedName(text: string, what: string): string {
  if (!name.test(text))
    throw new RangeError(`${what} "${text}" must be lower-case letters, digits and _, begin with a letter, at most 48 long`)
  return text
}
