import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { createRunFolder, isAlive, recordPid, removeLeftovers, removeRunFolder } from './run-folder.ts'
import { temporaryFolder } from './temporary-folder.ts'

const parentFolder = () => temporaryFolder('runs')

const sleeper = (mark: string) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)', mark], { stdio: 'ignore' })
  return { pid: child.pid ?? 0, ended: once(child, 'exit') }
}

function renamed(folder: string, from: RegExp, to: string): string {
  const other = join(dirname(folder), basename(folder).replace(from, to))
  renameSync(folder, other)
  return other
}

/** A folder whose owner is gone. */
function leftBehind(parent: string): string {
  return renamed(createRunFolder(parent), /^of-\d+-/, `of-${2 ** 22 + 1}-`)
}

test('what a dead run left is ended and removed; a living run is left alone', async () => {
  const parent = parentFolder()
  const [dead, living] = [leftBehind(parent), createRunFolder(parent)]
  const [orphan, working] = [sleeper(dead), sleeper(living)]
  recordPid(dead, orphan.pid, 'engine')
  recordPid(living, working.pid, 'engine')

  expect(removeLeftovers({ parent })).toEqual([dead])
  await orphan.ended
  expect(existsSync(dead)).toBe(false)
  expect(isAlive(working.pid)).toBe(true)

  removeRunFolder(living)
  await working.ended
})

test('a process that only has the recorded number is not touched', async () => {
  const folder = createRunFolder(parentFolder())
  const stranger = sleeper('something else')
  recordPid(folder, stranger.pid, 'engine')
  removeRunFolder(folder)
  expect(isAlive(stranger.pid)).toBe(true)
  process.kill(stranger.pid)
  await stranger.ended
})

test('a folder is known for its owner’s from its first moment', () => {
  const parent = parentFolder()
  const folder = createRunFolder(parent)
  rmSync(folder, { recursive: true })
  mkdirSync(folder) // nothing is in it yet
  expect(removeLeftovers({ parent })).toEqual([])
})

test('a pid that somebody else has got since is no owner', () => {
  const parent = parentFolder()
  const left = renamed(createRunFolder(parent), /^of-(\d+)-\d*/, 'of-$1-7')
  expect(removeLeftovers({ parent })).toEqual([left])
})

test('what cannot be removed is told of, and the rest is removed', () => {
  const parent = parentFolder()
  const [stuck, other] = [leftBehind(parent), leftBehind(parent)]
  rmSync(join(stuck, 'pids'), { recursive: true })
  writeFileSync(join(stuck, 'pids'), 'not a folder')
  const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    expect(removeLeftovers({ parent })).toEqual([other])
    expect(told.mock.calls.join()).toContain(`${stuck} could not be removed: `)
  } finally {
    told.mockRestore()
  }
})

test('what engines have left waits for who starts some', () => {
  const parent = parentFolder()
  const [large, small] = [leftBehind(parent), leftBehind(parent)]
  recordPid(large, 2 ** 22 + 1, 'engine')
  expect(removeLeftovers({ parent, small: true })).toEqual([small])
  expect(removeLeftovers({ parent })).toEqual([large])
})
