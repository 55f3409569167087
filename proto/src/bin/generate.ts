// Writes generated/<service>.ts for the .proto files. Does nothing when they, and what makes the types, are as they were.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { protoFiles, protoFolder, protoText } from '../index.ts'

const out = join(protoFolder, 'generated')
const record = join(out, '.made-from')
const makers = ['../types.ts', './generate.ts'].map((file) => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8'))
const files = protoFiles()
const made = createHash('sha256')
  .update(JSON.stringify([makers, files.map((file) => [file, protoText(file)])]))
  .digest('hex')

if (existsSync(record) && readFileSync(record, 'utf8') === made) {
  console.log(`types of ${files.length} proto files are up to date`)
} else {
  const [{ loadProtos }, { typesOf }] = await Promise.all([import('../index.ts'), import('../types.ts')])
  const types = typesOf(loadProtos())
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  for (const [service, text] of types) writeFileSync(join(out, `${service}.ts`), text)
  writeFileSync(record, made)
  console.log(`types of ${files.length} proto files: ${[...types.keys()].join(', ')}`)
}
