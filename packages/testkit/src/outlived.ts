import { spawnSync } from 'node:child_process'

/** Module specifier for the program of `outlived`, by a path from the test's own file. */
export const moduleOf = (path: string, from: string): string => new URL(path, from).href

/**
 * Bytes that have outlived the young generation (of 1 MB) while this program ran, in a process of its own: what it makes and drops again should
 * not. The program is an ES module; it may import TypeScript. Throws what the process said where it fails.
 */
export function outlived(program: string): number {
  const flags = ['--conditions=development', '--max-semi-space-size=1', '--trace-gc-nvp', '--input-type=module', '--eval', program]
  const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8', env: {} })
  const promoted = [...stdout.matchAll(/ gc=s.* promoted=(\d+)/g)].map(([, bytes]) => Number(bytes))
  if (status !== 0 || promoted.length < 20)
    throw new Error(`${promoted.length} collections of the young generation, exit ${status}: ${stderr}`)
  return promoted.reduce((sum, bytes) => sum + bytes, 0)
}
