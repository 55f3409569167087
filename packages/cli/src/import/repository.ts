import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { CliError } from '../exit.ts'
import { type GitCommit, logFormat, parentsOfRaw, parseLog, parsePatchIds, parseRemote } from './git-log.ts'

/** Whatever the user has set must not change what is read: replacements, signatures, mail maps, encodings, languages. */
const settings = [
  '--no-replace-objects',
  '-c',
  'log.showSignature=false',
  '-c',
  'log.mailmap=false',
  '-c',
  'i18n.logOutputEncoding=UTF-8',
  '-c',
  'core.commitGraph=true',
]
const env = { ...process.env, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' }
/** Everything that branches and tags reach; neither stashes nor notes. */
const everything = ['--branches', '--tags', '--remotes']

function git(path: string, args: readonly string[], signal?: AbortSignal) {
  const child = spawn('git', [...settings, '-C', path, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'], ...(signal ? { signal } : {}) })
  const said = buffer(child.stderr)
  const ended = new Promise<void>((done, failed) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      failed(error.code === 'ENOENT' ? new CliError('failed', 'git was not found: install it, or put it on the PATH') : error),
    )
    child.on('close', async (code) =>
      code === 0 ? done() : failed(new CliError('failed', `git ${args[0]}: ${String(await said).trim() || `ended with ${code}`}`)),
    )
  })
  // Whoever reads only the output must not find an unhandled rejection
  ended.catch(() => undefined)
  return { child, ended }
}

async function output(path: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const { child, ended } = git(path, args, signal)
  const [bytes] = await Promise.all([buffer(child.stdout), ended])
  return String(bytes).trim()
}

const optional = async (path: string, args: readonly string[]): Promise<string> => {
  try {
    return await output(path, args)
  } catch (error) {
    if (error instanceof CliError) return ''
    throw error
  }
}

/** Where a shallow clone ends: the commit, and its parents, which are not here. */
export type ShallowEnds = ReadonlyMap<string, readonly string[]>

export interface LocalRepository {
  readonly host: string
  readonly fullName: string
  /** Commits that branches and tags reach. */
  readonly count: number
  readonly shallow: ShallowEnds
  commits(signal: AbortSignal): AsyncIterable<GitCommit>
  /** `git patch-id --stable` of each commit with one parent: it reads every difference, which takes long. */
  patchIds(signal: AbortSignal): Promise<ReadonlyMap<string, string>>
}

async function shallowEnds(path: string): Promise<ShallowEnds> {
  const file = resolve(path, await output(path, ['rev-parse', '--git-path', 'shallow']))
  const shas = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  const ends = await Promise.all(shas.map(async (sha) => [sha, parentsOfRaw(await output(path, ['cat-file', 'commit', sha]))] as const))
  // A clone may end at a root as well: there is nothing behind it
  return new Map(ends.filter(([, parents]) => parents.length > 0))
}

async function revisionsOf(path: string): Promise<readonly string[]> {
  // A detached HEAD may be on no branch
  const head = await optional(path, ['rev-parse', '--verify', '--quiet', 'HEAD'])
  return head ? [...everything, 'HEAD'] : everything
}

async function* log(path: string, revisions: readonly string[], signal: AbortSignal): AsyncGenerator<GitCommit> {
  const { child, ended } = git(
    path,
    ['log', '-z', `--format=tformat:${logFormat}`, '--reverse', '--topo-order', ...revisions, '--'],
    signal,
  )
  try {
    yield* parseLog(child.stdout)
    await ended
  } finally {
    child.kill()
  }
}

async function patchIds(path: string, revisions: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { child, ended } = git(
    path,
    ['log', '-p', '--no-color', '--no-ext-diff', '--no-textconv', '--no-merges', '--root', ...revisions, '--'],
    signal,
  )
  const ids = spawn('git', [...settings, 'patch-id', '--stable'], { env, stdio: ['pipe', 'pipe', 'inherit'], signal })
  const [text] = await Promise.all([buffer(ids.stdout), ended, pipeline(child.stdout, ids.stdin)])
  return parsePatchIds(String(text))
}

/** Opens the repository that `path` lies in. Refuses a folder that is none. */
export async function openRepository(path: string, named?: string, onHost?: string): Promise<LocalRepository> {
  if (!existsSync(path)) throw new CliError('notFound', `there is no folder ${resolve(path)}`)
  try {
    await output(path, ['rev-parse', '--git-dir'])
  } catch (error) {
    if (error instanceof CliError && /not a git repository/.test(error.message))
      throw new CliError('notFound', `${resolve(path)} is no git repository`)
    throw error
  }
  const revisions = await revisionsOf(path)
  const remote = parseRemote(await optional(path, ['remote', 'get-url', 'origin']))
  const top = (await optional(path, ['rev-parse', '--show-toplevel'])) || resolve(path)
  const [shallow, count] = await Promise.all([shallowEnds(path), output(path, ['rev-list', '--count', ...revisions, '--'])])
  return {
    host: onHost ?? remote?.host ?? 'local',
    fullName: named ?? remote?.fullName ?? basename(top).replace(/\.git$/, ''),
    count: Number(count),
    shallow,
    commits: (signal) => log(path, revisions, signal),
    patchIds: (signal) => patchIds(path, revisions, signal),
  }
}
