import { trace } from '@opentelemetry/api'
import { DomainError, errorCodes } from '@rondo/kernel'
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

/** RFC 9457. */
export function problem(reply: FastifyReply, { code, message, details }: DomainError): FastifyReply {
  const { http: status, means } = errorCodes[code]
  const { path, phase, missing } = details
  return reply
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
