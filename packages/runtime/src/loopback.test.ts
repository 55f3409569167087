import { expect, test } from 'vitest'
import { checkListening, isLoopback } from './loopback.ts'

const tokens = (known: number) => ({ callerOf: () => Promise.reject(new Error('nobody calls')), state: async () => ({ known }) })

test.each([
  ['127.0.0.1', true],
  ['localhost', true],
  ['::1', true],
  ['127.1.2.3', true],
  ['0.0.0.0', false],
  ['::', false],
  ['127.evil.example', false],
  ['localhost.example', false],
])('%s is the loopback: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

test('listening elsewhere needs tokens that somebody configured', async () => {
  await expect(checkListening({ listenHost: '127.0.0.1', tokensFile: undefined }, tokens(0))).resolves.toBeUndefined()
  await expect(checkListening({ listenHost: '0.0.0.0', tokensFile: undefined }, tokens(1))).rejects.toThrow(/RONDO_TOKENS_FILE/)
  await expect(checkListening({ listenHost: '0.0.0.0', tokensFile: 'tokens.json' }, tokens(0))).rejects.toThrow(/names no token/)
  await expect(checkListening({ listenHost: '0.0.0.0', tokensFile: 'tokens.json' }, tokens(1))).resolves.toBeUndefined()
})
