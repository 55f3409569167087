import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

// Inside the checkout (and ignored by git), so that the small projects find vitest.
mkdirSync('.cache', { recursive: true })
const folder = mkdtempSync(join('.cache', 'test-run-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What `npm test` says of a project with this one test file. */
function run(name: string, text: string, ...options: string[]) {
  const root = join(folder, name)
  mkdirSync(root)
  writeFileSync(join(root, 'vitest.config.ts'), 'export default { test: { include: ["*.test.ts"] } }')
  if (text !== '') writeFileSync(join(root, 'some.test.ts'), `import { beforeAll, describe, test } from 'vitest'\n${text}`)
  const { CI_NO_SKIP: _, VITEST: __, ...env } = process.env
  const { status, stdout } = spawnSync(process.execPath, ['scripts/test.ts', '--root', root, ...options], { encoding: 'utf8', env })
  return { status, lines: stdout.trimEnd().split('\n') }
}

const mixed = `
  test('adds', () => {})
  test('breaks', () => { throw new Error('broken') })
  test('asks for a broker', ({ skip }) => skip('no broker: set its address'))
  describe('behind a hook', () => { beforeAll(() => { throw new Error('no table') }); test('reads', () => {}) })
`

test('counts what passed and failed, and names each skipped test with its reason', () => {
  const { status, lines } = run('mixed', mixed)
  expect(status).toBe(1)
  expect(lines).toContain('SKIPPED 1: no broker: set its address')
  expect(lines).toContain('    some.test.ts › asks for a broker')
  expect(lines).toContain('FAILED some.test.ts › behind a hook: no table')
  expect(lines.at(-1)).toBe('1 passed, 2 failed, 2 skipped')
})

test('a file that cannot be loaded counts as failed', () => {
  expect(run('unloadable', `import './absent.ts'; test('adds', () => {})`)).toMatchObject({ status: 1 })
})

const skipping = `test('adds', () => {}); test('asks', ({ skip }) => skip('no broker'))`

test('skips are let through, or not, as asked', () => {
  const lenient = run('lenient', skipping)
  expect([lenient.status, lenient.lines.at(-1)]).toEqual([0, '1 passed, 0 failed, 1 skipped'])
  const strict = run('strict', skipping, '--fail-on-skip')
  expect([strict.status, strict.lines.at(-1)]).toEqual([1, '1 passed, 0 failed, 1 skipped'])
})

test('a run of no test fails', () => {
  const { status, lines } = run('empty', '')
  expect([status, lines.at(-1)]).toEqual([1, '0 passed, 0 failed'])
})
