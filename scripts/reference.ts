// Writes what follows from the code: docs/reference and the README's table of variables.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reference } from './reference-files.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
for (const [name, content] of Object.entries(reference(root))) {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), content)
}
