import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRunFolder, isAlive, recordPid, removeLeftovers, removeRunFolder } from './run-folder.ts'
import { temporaryFolder } from './temporary-folder.ts'

const parentFolder = () => temporaryFolder('runs')

const sleeper = (mark: string) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)', mark], { stdio: 'ignore' })
  return { pid: child.pid ?? 0, ended: once(child, 'exit') }
}

test('what a dead run left is ended and removed; a living run is left alone', async () => {
  const parent = parentFolder()
  const [dead, living] = [createRunFolder(parent), createRunFolder(parent)]
  writeFileSync(join(dead, 'owner.json'), JSON.stringify({ pid: 2 ** 22 + 1 }))
  const [orphan, working] = [sleeper(dead), sleeper(living)]
  recordPid(dead, orphan.pid, 'engine')
  recordPid(living, working.pid, 'engine')

  expect(removeLeftovers(parent)).toEqual([dead])
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
