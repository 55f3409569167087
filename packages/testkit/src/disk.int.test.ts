import { existsSync } from 'node:fs'
import { statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { eventually, needs } from './index.ts'
import { mountDisk } from './local/disk.ts'
import { createRunFolder, removeRunFolder } from './run-folder.ts'

let folder: string
const disk = async () => {
  folder = createRunFolder()
  return mountDisk(join(folder, 'disk'), 64 << 20)
}
const missing: string | undefined = await disk().then(
  () => {
    removeRunFolder(folder)
    return undefined
  },
  (error: unknown) => String(error),
)
needs({ also: missing })
beforeEach(() => () => removeRunFolder(folder))

test('a full disk takes nothing, also when somebody gives space back, until it is free again', async () => {
  const { fill, free } = await disk()
  const path = (name: string) => join(folder, 'disk', name)
  const written = (name: string) => writeFile(path(name), Buffer.alloc(100_000))
  await written('before')
  await fill()
  await expect(written('full')).rejects.toMatchObject({ code: 'ENOSPC' })
  await writeFile(path('before'), Buffer.alloc(9000))
  await eventually(async () => (await statfs(path(''))).bavail === 0, { within: 5000 })
  await free()
  await written('after')
  removeRunFolder(folder)
  expect(existsSync(folder)).toBe(false)
})
