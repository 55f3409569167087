import { errorCodes } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { exitOf, exits } from './exit.ts'

test('the exit codes are a contract', () => {
  expect(Object.fromEntries(Object.entries(exits).map(([name, { code }]) => [name, code]))).toEqual({
    ok: 0,
    failed: 1,
    usage: 2,
    refused: 3,
    unauthenticated: 4,
    notFound: 5,
    pending: 8,
    timedOut: 9,
    interrupted: 130,
  })
})

test('each refusal of a server has its exit', () => {
  expect(Object.fromEntries(Object.keys(errorCodes).map((code) => [code, exitOf(code)]))).toEqual({
    invalid: 'failed',
    unsupported: 'failed',
    too_large: 'failed',
    unauthenticated: 'unauthenticated',
    bad_signature: 'unauthenticated',
    forbidden: 'unauthenticated',
    four_eyes: 'refused',
    not_found: 'notFound',
    wrong_phase: 'refused',
    gate_denied: 'refused',
    unknown_identity: 'refused',
    id_reused: 'failed',
    already_exists: 'failed',
    conflict: 'failed',
    stale_cursor: 'failed',
    not_configured: 'failed',
    rate_limited: 'failed',
    overloaded: 'failed',
    unavailable: 'failed',
    timed_out: 'timedOut',
    internal: 'failed',
  })
})
