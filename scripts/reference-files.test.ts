import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { reference } from './reference-files.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

test.each(Object.entries(reference(root)))('%s is what the code says (else: npm run reference)', (name, content) => {
  expect(readFileSync(join(root, name), 'utf8') === content).toBe(true)
})
