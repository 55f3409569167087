/**
 * Lints and formats the protos, and holds them to the version before: the one of RONDO_PROTO_BASE (any commit), else
 * of the last tag, else of the main branch this one left, else of the commit before.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectFiles } from './project-files.ts'

const env = { ...process.env, PATH: `node_modules/.bin:${process.env.PATH}` }

function buf(...args: string[]): boolean {
  console.log(`buf ${args.join(' ')}`)
  const { status, error } = spawnSync('buf', args, { stdio: 'inherit', env })
  if (error) console.error(`buf could not be started: ${error.message}`)
  return status === 0
}

/** What git answers, or nothing when it refuses (no such tag, branch or commit). */
function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** The commit to compare with: the newest of the candidates that is not this one and has protos. */
function previousVersion(): string | undefined {
  const head = git('rev-parse', 'HEAD')
  const asked = process.env.RONDO_PROTO_BASE
  if (asked && !git('rev-parse', '--verify', `${asked}^{commit}`)) {
    throw new Error(`RONDO_PROTO_BASE is "${asked}": expected a commit, tag or branch of this repository`)
  }
  const candidates = asked ? [asked] : [git('describe', '--tags', '--abbrev=0'), git('merge-base', 'HEAD', 'origin/main'), 'HEAD~1']
  return candidates
    .map((name) => name && git('rev-parse', '--verify', `${name}^{commit}`))
    .find((commit) => commit && commit !== head && git('ls-tree', '-r', '--name-only', commit, 'proto')?.includes('.proto'))
}

function compatible(): boolean {
  const base = previousVersion()
  if (!base) {
    console.log('buf breaking: no earlier version of the protos to compare with')
    return true
  }
  const folder = mkdtempSync(join(tmpdir(), 'rondo-protos-'))
  try {
    const archive = execFileSync('git', ['archive', base, 'proto'], { maxBuffer: 64 << 20 })
    execFileSync('tar', ['-x', '-C', folder], { input: archive })
    cpSync('buf.yaml', join(folder, 'buf.yaml'))
    console.log(`compared with ${base}`)
    return buf('breaking', '--against', folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const protos = projectFiles().filter((file) => file.endsWith('.proto'))
if (protos.length === 0) throw new Error('there is no .proto file below proto/: nothing was checked')
const results = [buf('lint'), buf('format', '--diff', '--exit-code', '-o', '/dev/null'), compatible()]
console.log(`${protos.length} proto files looked at`)
process.exitCode = results.every(Boolean) ? 0 : 1
