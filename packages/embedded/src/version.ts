import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { StartError } from './start-error.ts'

const run = promisify(execFile)

/** The major version that wrote a cluster's folder; undefined where there is none. */
export async function majorOfData(data: string): Promise<number | undefined> {
  const file = join(data, 'PG_VERSION')
  if (!existsSync(file)) return undefined
  const text = (await readFile(file, 'utf8')).trim()
  if (!/^\d+$/.test(text))
    throw new StartError(`${file} holds ${JSON.stringify(text.slice(0, 40))}, which is no major version of PostgreSQL`)
  return Number(text)
}

/** The major version of the `postgres` in a folder. */
export async function majorOfPrograms(programs: string): Promise<number> {
  try {
    const { stdout } = await run(join(programs, 'postgres'), ['--version'])
    const [, major] = /\(PostgreSQL\) (\d+)/.exec(stdout) ?? []
    if (major !== undefined) return Number(major)
    throw new Error(`it says ${JSON.stringify(stdout.trim())}`)
  } catch (error) {
    throw new StartError(`${programs} holds no PostgreSQL that runs here: ${error instanceof Error ? error.message : error}`)
  }
}
