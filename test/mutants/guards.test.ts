import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { expect, test } from 'vitest'
import { mutants } from './guards.ts'

test('each guard stands where it is said to stand, once', () => {
  expect(mutants.length).toBeGreaterThan(30)
  const found = mutants.map(({ name, file, find }) => [name, readFileSync(join(repositoryRoot(), file), 'utf8').split(find).length - 1])
  expect(found.filter(([, times]) => times !== 1)).toEqual([])
})

test('each test that a guard names is there', () => {
  const missing = mutants.flatMap(({ name, test: [file, part] = ['', ''] }) => {
    const text = file && readFileSync(join(repositoryRoot(), file), 'utf8').replaceAll("\\'", "'")
    return text.includes(part) ? [] : [`${name}: "${part}" in ${file}`]
  })
  expect(missing).toEqual([])
})
