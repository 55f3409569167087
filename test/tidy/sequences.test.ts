import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { expect, test } from 'vitest'

const text = (path: string) => readFileSync(join(repositoryRoot(), path), 'utf8')
const [, section = ''] = text('docs/guarantees.md').split("## Sequences that have broken others' systems")
const rows = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (.+?) \| `([^`]+)`/gm)].map(([, words = '', file = '']) => ({
  words,
  file,
}))

test('the table of sequences has rows', () => {
  expect(rows.length).toBeGreaterThan(10)
})

test.each(rows)('$words: the test that docs/guarantees.md names is there', ({ words, file }) => {
  const named = [...text(file).matchAll(/test(?:\.each\(.*?\))?\(\s*(['"`])(.*?)\1,/gs)].map(([, , name = '']) => name)
  expect(named.filter((name) => name.includes(words))).toHaveLength(1)
})
