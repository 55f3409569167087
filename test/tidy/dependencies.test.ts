import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { afterEach, expect, test } from 'vitest'
import configuration from '../../.dependency-cruiser.ts'
import { cruised, unseen } from '../../scripts/check-dependencies.ts'

const made: string[] = []
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true })
})

/** A small tree with the shape of the project. */
function tree(files: Record<string, string>): string {
  const root = temporaryFolder('rules')
  made.push(root)
  const base = { 'tsconfig.json': '{"compilerOptions":{"module":"nodenext","allowImportingTsExtensions":true,"noEmit":true}}' }
  for (const [path, text] of Object.entries({ ...base, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

const brokenBy = {
  'kernel-does-no-io': { 'packages/kernel/src/stream.ts': `import 'node:fs'` },
  'reactions-know-the-kernel-only': {
    'packages/reaction/src/index.ts': `import '../../ledger/src/index.ts'`,
    'packages/ledger/src/index.ts': `export const ledger = 1`,
  },
  'contracts-do-no-io': { 'packages/contracts/src/builds.ts': `import 'node:fs'` },
  'domain-does-no-io': { 'services/builds/src/reactions.ts': `import 'node:net'` },
  'adapters-do-no-io': { 'services/gateway/src/adapters/github.ts': `import 'node:http'` },
  'streams-stay-off-the-edge': {
    'services/builds/src/build.ts': `import './rows.ts'`,
    'services/builds/src/rows.ts': `export * from '../../../packages/ledger/src/index.ts'`,
    'packages/ledger/src/index.ts': `export const ledger = 1`,
  },
  'services-never-import-services': {
    'services/builds/src/main.ts': `import '../../releases/src/release.ts'`,
    'services/releases/src/release.ts': `export const release = 1`,
  },
  'packages-never-import-services': {
    'packages/bus/src/index.ts': `import '../../../services/builds/src/build.ts'`,
    'services/builds/src/build.ts': `export const build = 1`,
  },
  'others-only-by-their-exports': {
    'services/builds/src/service.ts': `import type { Row } from '../../../packages/ledger/src/row.ts'`,
    'packages/ledger/src/row.ts': `export interface Row { id: string }`,
  },
  'no-test-code-in-production': {
    'packages/bus/src/index.ts': `import './bus.test.ts'`,
    'packages/bus/src/bus.test.ts': `export const fake = 1`,
  },
  'no-cycles': { 'scripts/a.ts': `import './b.ts'`, 'scripts/b.ts': `import './a.ts'` },
  'everything-resolves': { 'packages/bus/src/index.ts': `import '@rondo/ledger/src/row.ts'` },
  'declared-dependencies-only': {
    'package.json': '{"name":"tree"}',
    'packages/bus/package.json': '{"name":"bus"}',
    'packages/bus/src/index.ts': `import 'stray'`,
    'node_modules/stray/package.json': '{"name":"stray","main":"index.js"}',
    'node_modules/stray/index.js': '',
  },
}

test.each(Object.entries(brokenBy))('the rule %s bites', async (rule, files) => {
  const { summary } = await cruised(tree(files))
  expect(summary.violations.map((violation) => violation.rule.name)).toContain(rule)
})

test('each rule is seen to bite', () => {
  expect(Object.keys(brokenBy).sort()).toEqual(configuration.forbidden.map(({ name }) => name).sort())
})

test('a service that keeps the rules is let through', async () => {
  const { summary } = await cruised(
    tree({
      'services/builds/src/main.ts': `import 'node:process'; import './service.ts'`,
      'services/builds/src/service.ts': `export * from './build.ts'`,
      'services/builds/src/build.ts': `import type { A } from './row.ts'; export const build = 1`,
      'services/builds/src/row.ts': `import type { build } from './build.ts'; export interface A { build: typeof build }`,
      'services/builds/src/build.test.ts': `import 'node:fs'; import './build.ts'`,
    }),
  )
  expect(summary.violations).toEqual([])
  expect(summary.totalCruised).toBeGreaterThan(4)
})

test('a file that was not looked at, or packages not followed into each other, are told', async () => {
  const result = await cruised(tree({ 'scripts/a.ts': '' }))
  expect(unseen(result, ['scripts/a.ts', 'scripts/b.ts'])).toEqual([
    'not looked at: scripts/b.ts',
    'no import of a @rondo package was followed to its source',
  ])
})
