import { trace } from '@opentelemetry/api'
import { DomainError, errorCodes, retryAfterMs } from '@rondo/kernel'
import type { FastifyReply } from 'fastify'

/** What went wrong as a refusal of the closed list; anything unexpected is `internal` and says no more than a trace id. */
export function refusalOf(error: unknown): DomainError {
  if (error instanceof DomainError) return error
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new DomainError('too_large', 'the body is larger than the 8 MiB that are taken here: send less at once')
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return new DomainError('invalid', error instanceof Error ? error.message : 'the request cannot be read')
  return new DomainError('internal', `a defect in Rondo${traceId() ? `; its log has the trace ${traceId()}` : '; its log tells more'}`)
}

export const traceId = (): string | undefined => trace.getActiveSpan()?.spanContext().traceId

/** In whole seconds, as the header has them. */
export function sayWhen(reply: FastifyReply, refusal: DomainError): FastifyReply {
  const ms = retryAfterMs(refusal)
  return ms === undefined ? reply : reply.header('retry-after', String(Math.max(1, Math.ceil(ms / 1000))))
}

/** RFC 9457. */
export function problem(reply: FastifyReply, refusal: DomainError): FastifyReply {
  const { code, message, details } = refusal
  const { http: status, means } = errorCodes[code]
  const { path, phase, missing } = details
  return sayWhen(reply, refusal)
    .code(status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        type: `urn:rondo:problem:${code}`,
        title: means,
        status,
        detail: message,
        code,
        ...(path === undefined ? {} : { path }),
        ...(phase === undefined ? {} : { phase }),
        ...(missing === undefined ? {} : { missing }),
        ...(traceId() ? { trace_id: traceId() } : {}),
      }),
    )
}
