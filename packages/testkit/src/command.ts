import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** The path of a program, or undefined when it is nowhere on PATH (or in the other folders given). */
export function onPath(program: string, more: readonly string[] = []): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...more].filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

interface Setting {
  readonly cwd?: string
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds; two minutes unless told. */
  readonly within?: number
}

/** Runs a program to its end; what it printed. An error carries the end of what it printed on both. */
export async function run(program: string, args: readonly string[], { cwd, user, env, within = 120_000 }: Setting = {}): Promise<string> {
  try {
    const { stdout } = await execute(program, [...args], {
      timeout: within,
      maxBuffer: 64 << 20,
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
      ...user,
    })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string }
    const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-8).join('\n')
    throw new Error(`${program} ${args[0] ?? ''} failed: ${said || message}`, { cause: error })
  }
}

export const isRoot = (): boolean => process.getuid?.() === 0

/** Installs Debian packages; undefined when it went well, else why it could not be done. */
export async function aptInstall(...packages: readonly string[]): Promise<string | undefined> {
  const apt = onPath('apt-get')
  if (apt === undefined) return 'there is no apt-get here'
  if (!isRoot()) return 'only root may apt-get install'
  // RUNLEVEL=1 keeps the packages' services from being started.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const options = ['-o', 'DPkg::Lock::Timeout=300']
  const install = () => run(apt, ['install', ...options, '-y', '--no-install-recommends', ...packages], { env, within: 300_000 })
  try {
    await install().catch(async () => {
      await run(apt, ['update', ...options], { env, within: 300_000 })
      await install()
    })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
