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
