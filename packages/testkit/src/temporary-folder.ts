import { chmodSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { createRunFolder, removeLeftovers, removeRunFolder } from './run-folder.ts'

let own: string | undefined

/** This process's own, removed at its end; what ended in another way (SIGKILL, Ctrl-C) is removed by the next process that asks. */
function ownFolder(): string {
  if (own !== undefined) return own
  // Within a test's time: gigabytes of engines that were killed are not removed in it
  removeLeftovers({ small: true })
  const folder = createRunFolder()
  process.once('exit', () => removeRunFolder(folder))
  own = folder
  return folder
}

/**
 * A new folder of a test or of a program that tries Rondo out: nothing of it outlives the process for long, however it ends.
 * Other system users may pass through it (PostgreSQL does not run as root). `name` is what a person finds it by.
 */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(ownFolder(), `${name}-`))
  chmodSync(folder, 0o755)
  return folder
}
