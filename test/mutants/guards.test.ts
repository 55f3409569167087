import { readdirSync, readFileSync } from 'node:fs'
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

test('of a function that was made anew the newest is changed: a mutant of a former one could not be noticed', () => {
  const folder = 'packages/ledger/migrations'
  const textOf = (file: string) => readFileSync(join(repositoryRoot(), file), 'utf8')
  const files = readdirSync(join(repositoryRoot(), folder)).map((file) => `${folder}/${file}`)
  const made = /create (?:or replace )?function (\w+)\(/g
  const changed = mutants.flatMap(({ file, find }) => {
    if (!file.startsWith(folder)) return []
    const [before = ''] = textOf(file).split(find)
    const last = [...before.matchAll(made)].at(-1)
    // Within its body, which stands between a pair of these
    const isInside = before.slice(last?.index).split('$$').length % 2 === 0
    return last?.[1] && isInside ? [{ file, name: last[1] }] : []
  })
  expect(changed.length).toBeGreaterThan(5)
  const stale = changed.filter(({ file, name }) =>
    files.some((other) => other > file && [...textOf(other).matchAll(made)].some((match) => match[1] === name)),
  )
  expect(stale).toEqual([])
})
