import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { welcome } from './welcome.ts'

const addresses = { http: 'http://127.0.0.1:8686', grpc: '127.0.0.1:8687' }
const shown = (dataDir: string, isEphemeral: boolean) =>
  welcome(addresses, resolve(dataDir), { log: 'rondo.log', database: 'd', bus: 'b', startedMs: 1000, isEphemeral })

test('the commands to try find the data: by themselves where they look, else by the variable', () => {
  expect(shown('.rondo', false)).toContain('    npx --no-install rondo demo ')
  expect(shown('../elsewhere', false)).toContain('    RONDO_DATA_DIR=../elsewhere npx --no-install rondo demo ')
})

test('what becomes of the data is said', () => {
  expect(shown('.rondo', false)).toContain('the data stay in .rondo.')
  expect(shown('../temporary', true)).toContain('the data go with it.')
})
