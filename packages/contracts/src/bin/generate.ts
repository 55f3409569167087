import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { generated } from '../generated-files.ts'

const folder = fileURLToPath(new URL('../../../../docs/reference/', import.meta.url))
await mkdir(folder, { recursive: true })
for (const [name, content] of Object.entries(generated())) await writeFile(`${folder}${name}`, content)
