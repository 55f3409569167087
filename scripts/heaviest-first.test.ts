import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { heaviest } from './heaviest-first.ts'

test.each(heaviest)('%s, which is started early, is there', (path) => {
  expect(existsSync(fileURLToPath(new URL(`../${path}`, import.meta.url)))).toBe(true)
})
