/**
 * Every check of the tree, one after the other, whatever the ones before came to. Ends with `N passed, N failed`.
 *
 *     node scripts/check.ts [name of a check]...
 */
import { spawnSync } from 'node:child_process'

const node = process.execPath
const CHECKS: Record<string, readonly [command: string, ...rest: string[]]> = {
  types: ['tsc', '-p', 'tsconfig.json', '--noEmit'],
  style: ['biome', 'check', '--error-on-warnings', '--max-diagnostics=100', '.'],
  dependencies: [node, 'scripts/check-dependencies.ts'],
  unused: ['knip'],
  protos: [node, 'scripts/check-protos.ts'],
  tidy: ['vitest', 'run', '--project', 'unit', 'test/tidy'],
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in CHECKS))
if (unknown.length > 0) {
  console.error(`There is no check "${unknown.join('", "')}": there are ${Object.keys(CHECKS).join(', ')}.`)
  process.exit(2)
}

const env = { ...process.env, PATH: `node_modules/.bin:${process.env.PATH}` }
let passed = 0
const failed: string[] = []
for (const [name, [command, ...rest]] of Object.entries(CHECKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n── ${name}: ${[command === node ? 'node' : command, ...rest].join(' ')}`)
  const started = Date.now()
  const { status, error } = spawnSync(command, rest, { stdio: 'inherit', env })
  if (error) console.error(`${command} could not be started: ${error.message}`)
  if (status === 0) passed += 1
  else failed.push(name)
  console.log(`── ${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}
if (failed.length > 0) console.log(`\nfailed: ${failed.join(', ')}`)
console.log(`${passed} passed, ${failed.length} failed`)
process.exitCode = failed.length > 0 ? 1 : 0
