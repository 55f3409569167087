import { Metadata, status } from '@grpc/grpc-js'
import { DomainError, type ErrorCode, errorCodes } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { fromStatus, toStatus } from './status.ts'

test('each code comes through as it was', () => {
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    const error = new DomainError(code, 'not so: größer', { path: 'a[1].b', phase: 'draft', missing: ['x', 'y'] })
    const sent = toStatus(error)
    expect(sent.code).toBe(status[errorCodes[code].grpc])
    expect(fromStatus(sent)).toMatchObject({ code, message: error.message, details: error.details })
  }
})

test('what says "later" says when, in the form that gRPC clients know', () => {
  const detailsOf = (error: DomainError) => String(toStatus(error).metadata?.get('grpc-status-details-bin')[0]?.toString('latin1'))
  const sent = toStatus(new DomainError('overloaded', 'not now', { retry_after_ms: 1750 }))
  expect(sent.code).toBe(status.UNAVAILABLE)
  expect(fromStatus(sent)).toMatchObject({ code: 'overloaded', details: { retry_after_ms: 1750 } })
  // RetryInfo { retry_delay: Duration { seconds: 1, nanos: 750_000_000 } }
  expect(detailsOf(new DomainError('overloaded', 'not now', { retry_after_ms: 1750 }))).toContain(
    `google.rpc.RetryInfo\x12\x0a\x0a\x08\x08\x01\x10${Buffer.from([0x80, 0xaf, 0xd0, 0xe5, 0x02]).toString('latin1')}`,
  )
  expect(detailsOf(new DomainError('rate_limited', 'not now'))).toContain('RetryInfo')
  expect(detailsOf(new DomainError('invalid', 'never'))).not.toContain('RetryInfo')
})

test('a long refusal stays within what peers take', () => {
  const sent = toStatus(
    new DomainError('wrong_phase', 'x'.repeat(100_000), { missing: Array.from({ length: 9999 }, (_, n) => `part ${n}`), phase: 'draft' }),
  )
  expect(JSON.stringify(sent.metadata.getMap()).length + sent.details.length).toBeLessThan(16_000)
  expect(fromStatus(sent).details).toEqual({ phase: 'draft' })
})

test("the library's own statuses have a code too", () => {
  const of = (code: number) => fromStatus({ code, details: 'x', metadata: new Metadata() }).code
  expect([status.DEADLINE_EXCEEDED, status.UNAVAILABLE, status.UNKNOWN].map(of)).toEqual(['timed_out', 'unavailable', 'internal'])
})
