import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { catalog } from './catalog.ts'
import { generated } from './generated-files.ts'

test.each(Object.entries(generated()))('docs/reference/%s is what the contracts say (else: pnpm reference)', (name, content) => {
  expect(readFileSync(fileURLToPath(new URL(`../../../docs/reference/${name}`, import.meta.url)), 'utf8')).toBe(content)
})

test('every event has a name of its own, in the form rondo.<service>.<noun>.<verb>.v<n>', () => {
  const types = catalog.flatMap(({ facts }) => facts.map(({ type }) => type))
  expect(types.length).toBeGreaterThan(80)
  expect(new Set(types).size).toBe(types.length)
  for (const type of types) expect(type).toMatch(/^rondo\.(intake|requirements|builds|releases|operations|feedback|gateway)\.[a-z_]+\.[a-z_]+\.v\d+$/)
})
