import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../test/stopping.ts', import.meta.url))

test('a consumer that is stopped while the brokers change comes to an end, and keeps no processor busy', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 8000, killSignal: 'SIGKILL' })
  expect(stdout).toBe('stopped\n')
})
