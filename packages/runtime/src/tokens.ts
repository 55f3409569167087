import { hash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { DomainError } from '@rondo/kernel'
import { z } from 'zod'
import { type Caller, type Role, roles } from './service.ts'

const entry = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'the SHA-256 of the token, 64 hex digits'),
  actor: z.string().regex(/^(person|service):.+/, 'person:<id> or service:<name>'),
  roles: z.array(z.enum(roles)).min(1),
})
export const tokenList = z.array(entry)
export type TokenEntry = z.infer<typeof entry>

/** What of a token is kept: who reads the file cannot call. */
export const hashToken = (token: string): string => hash('sha256', token, 'hex')

export interface Tokens {
  /** Refuses (`unauthenticated`) what is no known token. */
  callerOf(authorization: string | undefined): Promise<Caller>
  /** How many are known; why the file could not be read, if so. */
  state(): Promise<{ readonly known: number; readonly problem?: string }>
}

interface Loaded {
  readonly stamp: string
  readonly byHash: ReadonlyMap<string, Caller>
  readonly problem?: string
}

const none: ReadonlyMap<string, Caller> = new Map()

async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path)
    return `${ino}/${size}/${mtimeMs}`
  } catch {
    return 'absent'
  }
}

async function load(path: string, stamp: string): Promise<Loaded> {
  if (stamp === 'absent') return { stamp, byHash: none, problem: `there is no token file ${path}` }
  try {
    const parsed = tokenList.safeParse(JSON.parse(await readFile(path, 'utf8')))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      return { stamp, byHash: none, problem: `the token file ${path} is not as it should be: ${issue?.path.join('.')}: ${issue?.message}` }
    }
    return { stamp, byHash: new Map(parsed.data.map(({ sha256, ...caller }) => [sha256, caller])) }
  } catch (error) {
    return {
      stamp,
      byHash: none,
      problem: `the token file ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/** Milliseconds between two looks at the file for a token that is known: so long a revoked one may still work. */
const recheckMs = 2000

/** Tokens of a file. It is read again when it has changed: at once for an unknown token, soon for a known one (revoked). */
export function openTokens(path: string, now: () => number = () => performance.now()): Tokens {
  let loaded: Promise<Loaded> | undefined
  let looked = Number.NEGATIVE_INFINITY
  const refresh = async (): Promise<Loaded> => {
    const stamp = await stampOf(path)
    const before = await loaded
    looked = now()
    if (before?.stamp === stamp) return before
    loaded = load(path, stamp)
    return loaded
  }
  const current = () => (loaded && now() - looked < recheckMs ? loaded : refresh())

  return {
    async callerOf(authorization) {
      const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
      if (!token) throw new DomainError('unauthenticated', 'a token is needed: send "authorization: Bearer <token>"')
      const name = hashToken(token)
      const caller = (await current()).byHash.get(name) ?? (await refresh()).byHash.get(name)
      if (!caller) throw new DomainError('unauthenticated', 'this token is not known (any more)')
      return caller
    },
    async state() {
      const { byHash, problem } = await current()
      return { known: byHash.size, ...(problem ? { problem } : {}) }
    },
  }
}

/** Refuses (`forbidden`) a caller with none of the roles; `admin` may always, no roles named: whoever has a token. */
export function checkRole(caller: Caller, needed: readonly Role[], what: string): void {
  if (needed.length === 0 || caller.roles.includes('admin') || needed.some((role) => caller.roles.includes(role))) return
  throw new DomainError(
    'forbidden',
    `${what} needs one of the roles ${needed.join(', ')}; ${caller.actor} has ${caller.roles.join(', ')}`,
    { missing: needed },
  )
}
