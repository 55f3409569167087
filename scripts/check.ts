/**
 * Every check of the tree, one after the other, whatever the ones before came to. Says again at the end what those
 * printed that failed. Ends with `N passed, N failed`.
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
const failed = new Map<string, string>()
for (const [name, [command, ...rest]] of Object.entries(CHECKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n── ${name}: ${[command === node ? 'node' : command, ...rest].join(' ')}`)
  const started = Date.now()
  const { status, signal, error, stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8', maxBuffer: 64 << 20, env })
  const printed = [
    stdout,
    stderr,
    error && `${command} could not be run: ${error.message}\n`,
    signal && `${command} was ended by ${signal}\n`,
  ]
    .filter(Boolean)
    .join('')
  process.stdout.write(printed)
  if (status === 0) passed += 1
  else failed.set(name, printed)
  console.log(`── ${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}
for (const [name, printed] of failed) console.log(`\n── ${name} FAILED:\n${printed}`)
if (failed.size > 0) console.log(`failed: ${[...failed.keys()].join(', ')}`)
console.log(`${passed} passed, ${failed.size} failed`)
process.exitCode = failed.size > 0 ? 1 : 0
