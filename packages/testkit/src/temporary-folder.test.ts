import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { createRunFolder } from './run-folder.ts'

// Where the temporary folders of these processes lie, so that nobody else's are looked at
const place = createRunFolder(join(tmpdir(), `rondo-testkit-${process.getuid?.() ?? 0}`))
afterAll(() => rmSync(place, { recursive: true, force: true }))

async function folderOf(end: string): Promise<string> {
  const file = JSON.stringify(fileURLToPath(new URL('./temporary-folder.ts', import.meta.url)))
  const code = `const { temporaryFolder } = await import(${file}); process.stdout.write(temporaryFolder('tried')); ${end}`
  const child = spawn(process.execPath, ['--conditions=development', '--input-type=module', '-e', code], {
    env: { ...process.env, TMPDIR: place },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [folder] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(folder).toContain('tried-')
  return folder
}

test('a temporary folder ends with its process, also when it fails', async () => {
  expect(existsSync(await folderOf(''))).toBe(false)
  expect(existsSync(await folderOf('process.exit(3)'))).toBe(false)
})

test('one of a process that was killed is removed by the next that asks for one', async () => {
  const left = await folderOf(`setImmediate(() => process.kill(process.pid, 'SIGKILL'))`)
  expect(existsSync(left)).toBe(true)
  await folderOf('')
  expect(existsSync(left)).toBe(false)
})
