import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { expect, test } from 'vitest'

const root = repositoryRoot()
const ended = (main: string, ...args: readonly string[]) =>
  spawnSync(join(root, 'node_modules/.bin/node'), ['--conditions=development', main, ...args], { cwd: root, encoding: 'utf8' })

const programs = ['test/simulate/main.ts', 'test/chaos/main.ts', 'test/mutants/main.ts', 'test/bench/main.ts', 'scripts/test.ts']

test.each(programs)('%s says what it can be asked for', (main) => {
  const { status, stdout, stderr } = ended(main, '--help')
  expect(stdout).toMatch(/^npm (run [a-z]+|test) -- \[/)
  expect([status, stderr]).toEqual([0, ''])
})

test.each([
  ...programs.map((main) => [main, ['--nonsense'], "Unknown option '--nonsense'"] as const),
  ...programs.slice(0, 4).map((main) => [main, ['--minutes', 'x'], '--minutes x: expected a number from '] as const),
  ['test/simulate/main.ts', ['--seed', '0'], '--seed 0: expected a number from 1'],
  ['test/mutants/main.ts', ['--only', 'no such guard'], "--only no such guard: no guard's name or file holds it"],
  ['test/bench/main.ts', ['--only', 'no such row'], '--only no such row: no row is called so'],
  ['test/bench/main.ts', ['--only', '('], '--only (: Invalid regular expression'],
] as const)('%s %s: what is wrong is one sentence, and nothing is done', (main, args, why) => {
  const { status, stdout, stderr } = ended(main, ...args)
  const [first = '', ...rest] = stderr.trimEnd().split('\n')
  expect(first.startsWith(why), first).toBe(true)
  expect([status, stdout, rest]).toEqual([2, '', ['--help tells what there is.']])
})
