import { expect, test } from 'vitest'
import { catalog } from './catalog.ts'

test('every event has a name of its own, in the form rondo.<service>.<noun>.<verb>.v<n>', () => {
  const types = catalog.flatMap(({ facts }) => facts.map(({ type }) => type))
  expect(types.length).toBeGreaterThan(80)
  expect(new Set(types).size).toBe(types.length)
  for (const type of types)
    expect(type).toMatch(/^rondo\.(intake|requirements|builds|releases|operations|feedback|gateway)\.[a-z_]+\.[a-z_]+\.v\d+$/)
})
