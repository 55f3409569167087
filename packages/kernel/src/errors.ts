import type { Fact } from './fact.ts'

/** The closed list of refusals: the gRPC status, the HTTP status and what it tells the caller. */
export const errorCodes = {
  invalid: { grpc: 'INVALID_ARGUMENT', http: 400, means: 'the input is not what was expected; `path` says where' },
  unsupported: { grpc: 'UNIMPLEMENTED', http: 422, means: 'well-formed, but out of scope so far; the reference names what is supported' },
  too_large: { grpc: 'OUT_OF_RANGE', http: 413, means: 'larger than the limit that the message names' },
  unauthenticated: { grpc: 'UNAUTHENTICATED', http: 401, means: 'no token, or one that is not known' },
  bad_signature: { grpc: 'UNAUTHENTICATED', http: 401, means: 'the signature is missing or does not fit the bytes that were sent' },
  forbidden: { grpc: 'PERMISSION_DENIED', http: 403, means: 'the token has none of the roles that this call needs' },
  four_eyes: { grpc: 'PERMISSION_DENIED', http: 403, means: 'a contributor cannot approve or waive the own change' },
  not_found: { grpc: 'NOT_FOUND', http: 404, means: 'there is nothing with this id' },
  wrong_phase: { grpc: 'FAILED_PRECONDITION', http: 409, means: 'not possible in the present phase; `missing` lists all it needs' },
  gate_denied: { grpc: 'FAILED_PRECONDITION', http: 409, means: 'the quality gate or a release rule does not allow it' },
  unknown_identity: { grpc: 'FAILED_PRECONDITION', http: 409, means: 'a contributor is not mapped to a person yet' },
  id_reused: { grpc: 'ALREADY_EXISTS', http: 409, means: 'this id was used before with another content; the first stands' },
  already_exists: { grpc: 'ALREADY_EXISTS', http: 409, means: 'another one holds this key' },
  conflict: { grpc: 'ABORTED', http: 409, means: 'somebody else changed it at the same time; try again' },
  stale_cursor: { grpc: 'OUT_OF_RANGE', http: 410, means: 'the cursor belongs to another epoch or lies in the future' },
  not_configured: { grpc: 'FAILED_PRECONDITION', http: 503, means: 'a setting is missing; the message says which and how to set it' },
  rate_limited: { grpc: 'RESOURCE_EXHAUSTED', http: 429, means: 'too many calls; try again later' },
  overloaded: { grpc: 'UNAVAILABLE', http: 503, means: 'more comes than can be done in time; nothing was done, try again later' },
  unavailable: { grpc: 'UNAVAILABLE', http: 503, means: 'something it depends on is down; nothing was lost, try again' },
  timed_out: { grpc: 'DEADLINE_EXCEEDED', http: 504, means: 'not done within the deadline' },
  internal: { grpc: 'INTERNAL', http: 500, means: 'a defect in Rondo; the log has the trace id' },
} as const

export type ErrorCode = keyof typeof errorCodes

export interface Details {
  /** Where in the input, e.g. `alerts[1].startsAt`. */
  readonly path?: string
  readonly phase?: string
  /** All that is missing at once. */
  readonly missing?: readonly string[]
  /** Before that, the same again is refused again. */
  readonly retry_after_ms?: number
  readonly [name: string]: unknown
}

/** A refusal. `record` are facts that are stored although the caller is refused. */
export class DomainError extends Error {
  override readonly name = 'DomainError'
  readonly code: ErrorCode
  readonly details: Details
  readonly record: readonly Fact[]

  constructor(code: ErrorCode, message: string, details: Details = {}, record: readonly Fact[] = []) {
    super(message)
    this.code = code
    this.details = details
    this.record = record
  }
}

/** Refusals that say "later", and after how many milliseconds where they do not say it themselves. */
const later: Partial<Record<ErrorCode, number>> = { rate_limited: 1000, overloaded: 1000, unavailable: 1000 }

/** Milliseconds after which it may be tried again; undefined: the same again is refused again. */
export const retryAfterMs = ({ code, details }: DomainError): number | undefined => details.retry_after_ms ?? later[code]

export function refuse(code: ErrorCode, message: string, details?: Details, record?: readonly Fact[]): never {
  throw new DomainError(code, message, details, record)
}
