import type { DomainError, ErrorCode } from '@rondo/kernel'

/** Refusals that say "later", and after how many milliseconds where they do not say it themselves (`details.retry_after_ms`). */
const later: Partial<Record<ErrorCode, number>> = { rate_limited: 1000, overloaded: 1000, unavailable: 1000 }

/** Milliseconds after which it may be tried again; undefined: the same again is refused again. */
export function retryAfterMs({ code, details }: DomainError): number | undefined {
  const { retry_after_ms: given } = details
  return typeof given === 'number' ? given : later[code]
}
