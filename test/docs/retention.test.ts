import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, needs, repositoryRoot } from '@rondo/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Rondo, startRondo } from '../rig/rondo.ts'

const run = promisify(execFile)
const { met } = needs('postgres18')
let rondo: Rondo
beforeAll(async () => {
  if (met) rondo = await startRondo()
})
afterAll(() => rondo?.stop())

test('the guide’s steps move closed requirements into files, check them, and bring them back', async () => {
  const call = (method: string, request: object) => rondo.rpc(`rondo.requirements.v1.Requirements/${method}`, request)
  for (const id of ['REQ-OVER', 'REQ-OPEN']) await call('Raise', { requirement_id: id, title: id, service: 'shop' })
  await call('Decline', { requirement_id: 'REQ-OVER', reason: 'it is over' })
  const guide = await readFile(join(repositoryRoot(), 'docs', 'guides', 'retention.md'), 'utf8')
  const steps = [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
  expect(steps).toHaveLength(6)
  const env = {
    ...process.env,
    RONDO_URL: rondo.url,
    RONDO_DATA_DIR: rondo.dataDir,
    RONDO_TOKEN: await rondo.token('ops', 'operator', 'developer'),
    BEFORE: '0',
  }
  const shell = async (some: readonly string[]) =>
    (await run('bash', ['-euo', 'pipefail', '-c', some.join('\n')], { cwd: repositoryRoot(), env })).stdout
  const [see = ''] = steps
  await eventually(async () => (await shell([see])).includes('2 events of 1 closed streams of requirements would be archived.'), {
    within: 30_000,
  })
  const told = await shell(steps)
  expect(told).toContain('2 events of 1 closed streams of requirements were archived in 1 files.')
  expect(told).toContain('1 files of requirements were read, 0 of them are not as they were written.')
  expect(told).toMatch(/requirements-000001-[0-9a-f]{12}\.ndjson\.gz: OK\n2\n/)
  expect(told).toContain('all equal to what is stored')
  expect(told).toContain('2 events of 1 streams are in the ledger of requirements again.')
}, 120_000)
