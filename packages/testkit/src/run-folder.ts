import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { basename, join } from 'node:path'

/*
 * Each test run has one folder for the data, logs and process ids of the engines that it started. The process that owns it is a part of its
 * name (a file in it would be missing for a moment, in which others took it for left behind), so that a later run can end what a crashed one
 * left.
 */

const runsFolder = (): string => join(tmpdir(), `rondo-testkit-${userInfo().uid}`)

/** When the process began, as the kernel counts, so that a pid used again is not taken for the old one. */
function beginningOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined // not Linux, or no such process: the pid alone has to do
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A new folder owned by this process; other system users may pass through it (PostgreSQL does not run as root). */
export function createRunFolder(parent: string = runsFolder()): string {
  mkdirSync(parent, { recursive: true, mode: 0o755 })
  const folder = mkdtempSync(join(parent, `of-${process.pid}-${beginningOf(process.pid) ?? ''}-`))
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'pids'))
  return folder
}

export function recordPid(folder: string, pid: number, name: string): void {
  writeFileSync(join(folder, 'pids', String(pid)), name)
}

export function forgetPid(folder: string, pid: number): void {
  rmSync(join(folder, 'pids', String(pid)), { force: true })
}

const ownedBy = /^of-(\d+)-(\d*)-/

function ownerLives(name: string): boolean {
  const [, pid, beginning] = ownedBy.exec(name) ?? []
  return isAlive(Number(pid)) && (!beginning || beginningOf(Number(pid)) === beginning)
}

/** Whether the process is one of that folder's: its command line names the folder. */
function belongsTo(folder: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(basename(folder))
  } catch {
    return !existsSync('/proc/self') && isAlive(pid)
  }
}

/** A file system that is mounted in the folder would keep it from being removed. */
function unmountBelow(folder: string): void {
  if (!existsSync('/proc/self/mounts')) return
  const mounted = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const below = mounted.flatMap((line) => line.split(' ')[1] ?? []).filter((place) => place.startsWith(`${folder}/`))
  for (const place of below) spawnSync('umount', ['--lazy', place])
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // it ended by itself just now
  }
}

/** Ends the processes that a run left, by their recorded ids only, and removes its folder. */
export function removeRunFolder(folder: string): void {
  for (const entry of existsSync(join(folder, 'pids')) ? readdirSync(join(folder, 'pids')) : []) {
    const pid = Number(entry)
    if (belongsTo(folder, pid)) end(pid)
  }
  unmountBelow(folder)
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

/** Whether it holds engines' data, which may be gigabytes. */
const hadEngines = (folder: string): boolean => existsSync(join(folder, 'pids')) && readdirSync(join(folder, 'pids')).length > 0

/**
 * Removes what runs that no longer live have left; returns their folders. `small`: leaves those that had engines to who starts some, and
 * has time. One that cannot be removed (somebody else does, a disk is gone) is told of, and no obstacle to who only wanted a folder.
 */
export function removeLeftovers({ parent = runsFolder(), small = false }: { parent?: string; small?: boolean } = {}): readonly string[] {
  if (!existsSync(parent)) return []
  const dead = readdirSync(parent).filter((name) => ownedBy.test(name) && !ownerLives(name))
  return dead.flatMap((name) => {
    const folder = join(parent, name)
    try {
      if (small && hadEngines(folder)) return []
      removeRunFolder(folder)
      return [folder]
    } catch (error) {
      process.stderr.write(`what an earlier run left in ${folder} could not be removed: ${String(error)}\n`)
      return []
    }
  })
}
