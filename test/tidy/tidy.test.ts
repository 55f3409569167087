import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { projectFiles } from '../../scripts/project-files.ts'
import { broken, refusedLicence, rules } from './rules.ts'

const files = projectFiles()
/** The rules and their examples, and what takes guards out of the code, have to spell what is forbidden. */
const judged = files.filter((file) => !file.startsWith('test/tidy/') && !/^test\/mutants\/(guards|statements)\.ts$/.test(file))

test('the tree is looked at', () => {
  expect(judged).toContain('packages/kernel/src/index.ts')
  expect(judged.length).toBeGreaterThan(20)
})

test('every file keeps the rules', () => {
  expect(judged.flatMap((file) => broken(file, readFileSync(file, 'utf8')))).toEqual([])
})

test('the kernel stays small enough to be read in one sitting: under 300 lines of code', () => {
  const kernel = judged.filter((file) => /^packages\/kernel\/src\/.*(?<!\.test)\.ts$/.test(file))
  const code = kernel.flatMap((file) => readFileSync(file, 'utf8').split('\n')).filter((line) => !/^\s*(\/\/|\/\*|\*|$)/.test(line))
  expect(code.length).toBeGreaterThan(100)
  expect(code.length).toBeLessThan(300)
})

test('no binary file is tracked', () => {
  const binary = judged.filter((file) => readFileSync(file).subarray(0, 8000).includes(0))
  expect(binary).toEqual([])
})

test.each(files.filter((file) => /(^|\/)package\.json$/.test(file)))('%s is private, an ES module and under Apache-2.0', (file) => {
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ private: true, type: 'module', license: 'Apache-2.0' })
})

/** The declared licence of each installed package. */
function licences(): [name: string, licence: string][] {
  const manifests = globSync('node_modules/.pnpm/*/node_modules/{*,@*/*}/package.json')
  return manifests.map((manifest) => {
    const { name, version, license, licenses } = JSON.parse(readFileSync(manifest, 'utf8'))
    return [`${name}@${version}`, JSON.stringify(license ?? licenses ?? '')]
  })
}

test('no dependency has a licence that its users could not live with', () => {
  const installed = licences()
  expect(installed.length).toBeGreaterThan(100)
  expect(installed.filter(([, licence]) => refusedLicence(licence))).toEqual([])
})

const examples: Record<string, readonly [path: string, text: string]> = {
  'no file over 400 lines': ['packages/bus/src/bus.ts', '//\n'.repeat(401)],
  'no vague names': ['packages/bus/src/utils/bus.ts', ''],
  'kebab-case file names': ['packages/bus/src/eventBus.ts', ''],
  'nothing left for later': ['packages/bus/src/bus.ts', '// TODO: later'],
  'no test left out or alone': ['packages/bus/src/bus.test.ts', `test.skipIf(true)('sends', () => {})`],
  'no sleeping in tests': ['packages/bus/src/bus.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 100))'],
  'no temporary folder that outlives its process': ['packages/bus/src/bus.test.ts', "mkdtemp(join(tmpdir(), 'bus-'))"],
  'no cast through unknown': ['packages/bus/src/bus.ts', 'const bus = {} as unknown as Bus'],
  'no swallowed errors': ['packages/bus/src/bus.ts', 'try { send() } catch {}'],
  'no function written where it is assigned to a property': ['packages/bus/src/bus.ts', 'this.#wake = () => resolve(records)'],
  'no listener that stays on a signal': ['packages/bus/src/bus.ts', "signal.addEventListener('abort', stop, { once: true })"],
}

test.each(Object.entries(examples))('the rule "%s" bites, and only it', (name, [path, text]) => {
  const found = broken(path, text)
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(` ${name}: `)
})

test('what takes a listener back again is not to be dropped', () => {
  expect(broken('packages/bus/src/bus.ts', 'const forget = onAbort(signal, stop)\nonAbort(signal, stop)')).toEqual([
    expect.stringMatching(/^packages\/bus\/src\/bus.ts:2 no listener that stays on a signal: /),
  ])
})

test('each rule has an example', () => {
  expect(Object.keys(examples)).toEqual(rules.map(({ name }) => name))
})

test('what asks for a reason, a wait or a name is let through', () => {
  expect(broken('packages/bus/src/bus.test.ts', `test('sends', ({ skip }) => skip('no broker'))\nsetTimeout(() => stop(), 100)`)).toEqual(
    [],
  )
  expect(
    broken(
      'packages/bus/src/shared-topic.ts',
      `try { send() } catch { /* the reply was lost */ }\n// it has ended either way\nawait ended.catch(() => undefined)\nthis.#wake = wake`,
    ),
  ).toEqual([])
})

test.each(['AGPL-3.0-only', 'SSPL-1.0', 'BUSL-1.1'])('the licence %s is refused', (licence) => {
  expect(refusedLicence(licence)).toBe(true)
})
test.each(['MIT', 'Apache-2.0', 'LGPL-3.0', '(MIT OR GPL-3.0)', 'BSD-3-Clause'])('the licence %s is let through', (licence) => {
  expect(refusedLicence(licence)).toBe(false)
})
