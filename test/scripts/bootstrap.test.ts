import { spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { afterEach, expect, test } from 'vitest'

const made: string[] = []
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true })
})

/** A checkout whose `npx` (the way to pnpm) is a shell script: what the set-up makes of its outcome is the point. */
function checkout(npx: string) {
  const root = temporaryFolder('set up')
  made.push(root)
  for (const folder of ['scripts', 'bin']) mkdirSync(join(root, folder))
  copyFileSync('scripts/bootstrap.mjs', join(root, 'scripts/bootstrap.mjs'))
  writeFileSync(join(root, 'package.json'), '{"devDependencies":{"pnpm":"1.2.3"}}')
  writeFileSync(join(root, 'pnpm-lock.yaml'), 'lockfileVersion: 9')
  writeFileSync(join(root, 'bin/npx'), `#!/bin/sh\ncd '${root}'\necho "$@" >> calls\n${npx}\n`)
  chmodSync(join(root, 'bin/npx'), 0o755)
  const setUp = () =>
    spawnSync(process.execPath, [join(root, 'scripts/bootstrap.mjs')], {
      cwd: tmpdir(),
      encoding: 'utf8',
      env: { ...process.env, PATH: `${join(root, 'bin')}${delimiter}${process.env.PATH}` },
    })
  return { root, setUp, calls: () => readFileSync(join(root, 'calls'), 'utf8').trimEnd().split('\n') }
}

const works = 'mkdir -p node_modules/.bin && touch node_modules/.bin/node && echo installed'

test('installs with the pinned pnpm from the lock file, shows it, and does so once', () => {
  const { setUp, calls } = checkout(works)
  const first = setUp()
  expect(first).toMatchObject({ status: 0, stdout: '' })
  expect(first.stderr).toMatch(/set-up 1\/1: dependencies.*\ninstalled\nset-up 1\/1: done/)
  expect(setUp()).toMatchObject({ status: 0, stderr: '' })
  expect(calls()).toEqual([expect.stringContaining('-y pnpm@1.2.3 install --frozen-lockfile')])
})

test('installs again when the lock file changed, or what was installed is gone', () => {
  const { root, setUp, calls } = checkout(works)
  setUp()
  appendFileSync(join(root, 'pnpm-lock.yaml'), '\npackages: {}')
  setUp()
  expect(calls()).toHaveLength(2)
  rmSync(join(root, 'node_modules/.bin'), { recursive: true })
  setUp()
  expect(calls()).toHaveLength(3)
})

test.each([
  ['npm error code ENOTFOUND', 'the npm registry could not be reached'],
  ['ERR_PNPM_META_FETCH_FAIL', 'the npm registry could not be reached'],
  ['EACCES: permission denied, mkdir', 'cannot be written'],
  ['ENOSPC: no space left on device', 'the disk is full'],
  ['ERR_PNPM_OUTDATED_LOCKFILE', 'does not match the package.json files'],
  ['something nobody has seen', 'failed with exit code 7: the reason is printed above'],
])('on "%s" it says in one sentence: %s', (printed, sentence) => {
  const { status, stderr } = checkout(`echo '${printed}' >&2; exit 7`).setUp()
  expect(status).toBe(1)
  expect(stderr).toContain(printed)
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^Set-up stopped: .*${sentence}`))
})

test('a folder that cannot be written is named', () => {
  const { root, setUp } = checkout(works)
  writeFileSync(join(root, 'node_modules'), 'a file where the folder has to be')
  const { status, stderr } = setUp()
  expect(status).toBe(1)
  expect(stderr).toContain(`the folder ${root}/ cannot be written (EEXIST)`)
})
