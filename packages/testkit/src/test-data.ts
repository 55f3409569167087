import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of the checkout: the one that holds pnpm-workspace.yaml. */
export function repositoryRoot(from: string = import.meta.dirname): string {
  if (existsSync(join(from, 'pnpm-workspace.yaml'))) return from
  const parent = dirname(from)
  if (parent === from) throw new Error(`no pnpm-workspace.yaml above ${import.meta.dirname}: where is the checkout?`)
  return repositoryRoot(parent)
}

/** A file or folder of the test data that lie in `shared` beside the checkout. */
export const shared = (...path: readonly string[]): string => join(dirname(repositoryRoot()), 'shared', ...path)

/** Why tests over shared data have to be skipped, or undefined when it is there. */
export function sharedMissing(...path: readonly string[]): string | undefined {
  const wanted = shared(...path)
  return existsSync(wanted) ? undefined : `${wanted} is not there: put the shared test data beside the checkout, as a folder named "shared"`
}
