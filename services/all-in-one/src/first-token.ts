import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addToken, newToken } from '@rondo/runtime'

/** The embedded default needs no secret to be invented: an admin's token lies in the data folder, readable by its owner alone. */
export async function firstToken(dataDir: string): Promise<string> {
  const file = join(dataDir, 'token')
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim()
  const token = newToken()
  await addToken(join(dataDir, 'tokens.json'), token, { actor: 'person:admin', roles: ['admin'] })
  await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
  return token
}
