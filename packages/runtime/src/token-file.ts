import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hashToken, type TokenEntry, tokenList } from './tokens.ts'

// The command line makes tokens, and loads none of the rest of the runtime for it.
// biome-ignore lint/performance/noBarrelFile: the entry `@rondo/runtime/tokens`
export { type Role, roles } from './service.ts'

/** A new secret; only its hash is kept anywhere. */
export const newToken = (): string => `rondo_${randomBytes(24).toString('base64url')}`

/** Adds a token to the file (made where there is none), readable by its owner alone. Who reads it at the same time sees the old one or the new. */
export async function addToken(path: string, token: string, { actor, roles }: Omit<TokenEntry, 'sha256'>): Promise<void> {
  const before = existsSync(path) ? tokenList.parse(JSON.parse(await readFile(path, 'utf8'))) : []
  const sha256 = hashToken(token)
  const entries = [...before.filter((entry) => entry.sha256 !== sha256), { sha256, actor, roles }]
  await mkdir(dirname(path), { recursive: true })
  const next = `${path}.${process.pid}`
  await writeFile(next, `${JSON.stringify(tokenList.parse(entries), null, 2)}\n`, { mode: 0o600 })
  await rename(next, path)
}
