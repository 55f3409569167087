/**
 * Holds every import to the table in .dependency-cruiser.ts, and proves that it looked: each source file that git
 * knows must be among the cruised ones, and the packages must have been followed into each other. (With the wrong
 * compiler beside it, dependency-cruiser cruises nothing and is green.)
 */
import { existsSync } from 'node:fs'
import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser'
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config'
import config from '../.dependency-cruiser.ts'
import { projectFiles } from './project-files.ts'

const FOLDERS = ['packages', 'services', 'scripts', 'test']

/** Cruises a tree with the project's rules. `root` is where the paths of the rules start. */
export async function cruised(root: string): Promise<ICruiseResult> {
  const { forbidden, options, resolving } = config
  const folders = FOLDERS.filter((folder) => existsSync(`${root}/${folder}`))
  const cruiseOptions: ICruiseOptions = { ...options, baseDir: root, ruleSet: { forbidden }, validate: true }
  const { output } = await cruise(folders, cruiseOptions, resolving, {
    tsConfig: extractTsConfig(`${root}/tsconfig.json`),
  })
  if (typeof output === 'string') throw new TypeError('dependency-cruiser answered with text instead of its result')
  return output
}

/** What went unseen: source files that were not cruised, packages whose uses of each other were not followed. */
export function unseen({ modules }: ICruiseResult, files: readonly string[]): string[] {
  const seen = new Set(modules.map(({ source }) => source))
  const missing = files.filter(
    (file) => /^(packages|services|scripts|test)\/.*\.ts$/.test(file) && !file.endsWith('.d.ts') && !seen.has(file),
  )
  const followed = modules.some(({ source, dependencies }) =>
    dependencies.some(({ module, resolved }) => module.startsWith('@rondo/') && resolved.startsWith('packages/') && source !== resolved),
  )
  return [
    ...missing.map((file) => `not looked at: ${file}`),
    ...(followed ? [] : ['no import of a @rondo package was followed to its source']),
  ]
}

if (import.meta.main) {
  const result = await cruised(process.cwd())
  const blind = unseen(result, projectFiles())
  for (const { rule, from, to } of result.summary.violations) console.error(`${rule.name}: ${from} → ${to}`)
  for (const line of blind) console.error(line)
  console.log(`${result.summary.totalCruised} modules and ${result.summary.totalDependenciesCruised} imports looked at`)
  process.exitCode = blind.length > 0 || result.summary.error > 0 ? 1 : 0
}
