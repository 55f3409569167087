import { DomainError } from '@rondo/kernel'
import type { Lost } from './store.ts'

/** A rule that threw where it must not, or made what cannot be stored: park the unit; trying again changes nothing. */
export class Defect extends Error {
  override readonly name = 'Defect'
}

/** The unit's `previous` is ahead of what is stored: records are missing in between. Nothing was committed. */
export class CheckpointGap extends Error {
  override readonly name = 'CheckpointGap'
  /** The stored position; undefined: nothing of this partition was read so far. */
  readonly stored: number | undefined

  constructor(source: string, partition: number, stored: number | undefined, previous: number) {
    super(
      `${source} partition ${partition} was read up to ${stored ?? 'nothing'}, and this record follows ${previous}: records are missing`,
    )
    this.stored = stored
  }
}

/** The parked record that the unit was to apply does not wait any more. Nothing was committed. */
export class NotParked extends DomainError {
  constructor({ source, key, position }: { readonly source: string; readonly key: string; readonly position: number }) {
    super('not_found', `record ${position} does not wait behind ${key} of ${source} any more: it was applied, or left out, meanwhile`, {
      parked: key,
    })
  }
}

/** What a failed statement means for those who wait for it. */
export type Failure =
  /** Nobody answers, or nobody can write now: try again later. Whether the statement was done is not known. */
  | 'down'
  /** Chosen as a victim: the same again. */
  | 'again'
  /** Lost to another writer: the error's detail says what. */
  | 'lost'
  /** A newer version of the service has taken over. */
  | 'fenced'
  | 'replanned'
  /** It will fail each time. */
  | 'statement'

const own: Readonly<Record<string, Failure>> = {
  RL001: 'lost',
  RL002: 'fenced',
  RL003: 'replanned',
  '40P01': 'again',
  '40001': 'again',
  '55P03': 'again',
}
/**
 * Connection, resources, operator intervention, system; read-only (a standby) and cancelled by a timeout are states of the server too, and a prepared
 * statement that is not known is one of the connection (a pooler gave another one).
 */
const down = /^(08|53|57|58|F0)|^2(5006|6000)$|^XX00[012]$/

const stateOf = (error: unknown): string => (error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '')

export function failureOf(error: unknown): Failure {
  const state = stateOf(error)
  // The driver's own errors (sockets, its timeouts) have no five-character SQLSTATE; anything else that lacks one is a defect in our code
  if (!/^[0-9A-Z]{5}$/.test(state) || state === 'EPIPE') return isConnection(error) ? 'down' : 'statement'
  return own[state] ?? (down.test(state) ? 'down' : 'statement')
}

const connection =
  /ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN|ENETUNREACH|Connection terminated|connection timeout|timeout exceeded|not queryable|Query read timeout|Cannot use a pool after/i
const isConnection = (error: unknown): boolean =>
  error instanceof Error &&
  connection.test(`${stateOf(error)} ${error.message} ${error instanceof AggregateError ? error.errors.map(String) : ''}`)

/** As the database says it. */
export const lostToAnother = (lost: Lost, cause?: unknown): Error =>
  Object.assign(new Error('lost to another writer', { cause }), { code: 'RL001', detail: JSON.stringify(lost) })

export const isDown = (error: unknown): boolean => failureOf(error) === 'down'

export const unavailable = (what: string, cause?: unknown): DomainError =>
  Object.assign(new DomainError('unavailable', what), cause === undefined ? {} : { cause })

/** Rejects with `unavailable` where the database is what failed. */
export async function reaching<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw isDown(error) ? unavailable('the database does not answer', error) : error
  }
}
