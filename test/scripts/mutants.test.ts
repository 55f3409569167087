import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { expect, onTestFinished, test } from 'vitest'

test('a guard is removed in a copy of the tree, in which its test runs and notices', () => {
  const folder = temporaryFolder('mutants')
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const json = join(folder, 'mutants.json')
  const name = 'facts of one partition are handed over in their order'
  const root = repositoryRoot()
  const args = ['--conditions=development', 'test/mutants/main.ts', '--only', name, '--seeds', '1', '--json', json]
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/node'), args, { cwd: root, encoding: 'utf8' })
  expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({
    mutants: [{ name, noticed: true, by: expect.stringContaining('consumer-unit.test.ts') }],
  })
  expect(stdout).toContain('1 of 1 guards removed, 0 of them unnoticed')
  expect(status).toBe(0)
})
