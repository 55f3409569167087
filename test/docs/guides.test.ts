import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { needs, repositoryRoot } from '@rondo/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const run = promisify(execFile)
const { met } = needs('postgres18')
let rondo: Rondo
let folder: string
beforeAll(async () => {
  if (!met) return
  rondo = await startRondo()
  // Below the root, so that what the guides call is found as a reader finds it
  folder = await mkdtemp(join(repositoryRoot(), 'test', '.guide-'))
})
afterAll(async () => {
  await rondo?.stop()
  if (folder) await rm(folder, { recursive: true, force: true })
})

const blocks = async (guide: string, language: string): Promise<string[]> => {
  const text = await readFile(join(repositoryRoot(), 'docs', 'guides', `${guide}.md`), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code)
}
const environment = async () => ({
  ...process.env,
  RONDO_URL: rondo.url,
  RONDO_GRPC: rondo.grpc,
  RONDO_DATA_DIR: rondo.dataDir,
  RONDO_TOKEN: await rondo.token('admin', 'admin'),
})

describe('the commands of the guides work as they stand', () => {
  test.each(['emit', 'follow', 'subscribe'])('%s', async (guide) => {
    const commands = await blocks(guide, 'sh')
    expect(commands.length).toBeGreaterThan(3)
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', commands.join('\n')], { cwd: folder, env: await environment() })
    expect(stdout).toContain('{')
  })

  test('the gRPC client of the first one', async () => {
    const [code = ''] = await blocks('emit', 'js')
    const script = join(folder, 'emit.mjs')
    await writeFile(script, code)
    const env = { ...(await environment()), TOKEN: await rondo.token('service:ci', 'reporter') }
    expect((await run(process.execPath, [script], { cwd: repositoryRoot(), env })).stdout.trim()).toBe('accepted')
  })
})
