// Brings a fresh clone to where everything runs: the pinned pnpm, the dependencies of the lock file (the pinned Node
// among them) and the generated types. What is up to date is skipped. Plain JavaScript on purpose: it runs on whatever
// Node (18 or newer) is there before the pinned one is.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = 18

const root = fileURLToPath(new URL('..', import.meta.url))
const record = join(root, 'node_modules', '.rondo-setup')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const PNPM = `pnpm@${manifest.devDependencies.pnpm}`
const pinnedNode = join(root, 'node_modules', '.bin', 'node')

/** What a failed command printed → the one sentence that helps. The first row that matches wins. */
const CAUSES = [
  [/ENOSPC/, () => 'the disk is full: free some space (about 1 GB is needed), then run the same command again.'],
  [
    /EACCES|EPERM|EROFS|permission denied/i,
    () => `a file or folder cannot be written (named above): give yourself write access to ${root} and to npm's and pnpm's own caches.`,
  ],
  [
    /OUTDATED_LOCKFILE|NO_IMPORTER|frozen-lockfile"? because/i,
    () => `pnpm-lock.yaml does not match the package.json files: run "npx -y ${PNPM} install" and commit the changed lock file.`,
  ],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|FETCH_FAIL|META_FETCH|TARBALL_FETCH|UND_ERR|dns error|error sending request|network/i,
    () =>
      'the npm registry could not be reached: check the network, the proxy and "npm config get registry", then run the same command again.',
  ],
]

class SetupError extends Error {}

const say = (line) => process.stderr.write(`${line}\n`)

function checkNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < OLDEST_NODE) {
    throw new SetupError(
      `Node ${process.versions.node} is too old to start with: install Node ${OLDEST_NODE} or newer (Rondo then brings the one it runs on).`,
    )
  }
}

function checkWritable() {
  try {
    accessSync(root, constants.W_OK)
    mkdirSync(join(root, 'node_modules'), { recursive: true })
    accessSync(join(root, 'node_modules'), constants.W_OK)
  } catch (error) {
    throw new SetupError(
      `the folder ${root} cannot be written (${error.code}): clone Rondo to a folder of your own, or give yourself write access.`,
    )
  }
}

/** npm by itself is silent for 70 s before it gives up on a registry that is not there. */
const env = { npm_config_fetch_retry_mintimeout: '1000', npm_config_fetch_retry_maxtimeout: '5000', ...process.env }

/** Runs a command in the root, shows and keeps what it prints. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' })
    let printed = ''
    const keep = (chunk) => {
      process.stderr.write(chunk)
      printed = (printed + chunk).slice(-20_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) =>
      reject(
        error.code === 'ENOENT' ? new SetupError(`"${command}" was not found: install npm (it comes with Node) and try again.`) : error,
      ),
    )
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      const cause = CAUSES.find(([pattern]) => pattern.test(printed))
      const ended = signal ? `was stopped by ${signal}` : `failed with exit code ${code}`
      reject(new SetupError(cause ? cause[1]() : `"${command} ${args.join(' ')}" ${ended}: the reason is printed above.`))
    })
  })
}

/** Files below a folder that a name matches, in a stable order; none when there is no such folder. */
function filesBelow(folder, matches) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path, matches)
    return matches(entry.name) ? [path] : []
  })
}

function hashOf(files) {
  const hash = createHash('sha256')
  for (const file of files.filter(existsSync))
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0')
  return hash.digest('hex')
}

/** The package.json files of the workspace, the root's first. */
function manifests() {
  const folders = ['packages', 'services'].flatMap((group) =>
    existsSync(join(root, group)) ? readdirSync(join(root, group)).map((name) => join(root, group, name)) : [],
  )
  return [root, ...folders].map((folder) => join(folder, 'package.json')).filter(existsSync)
}

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))

function readRecord() {
  try {
    return readJson(record)
  } catch {
    return {} // none yet, or cut off: then everything is done again
  }
}

function installed() {
  if (!existsSync(pinnedNode)) return false
  return manifests().every((file) => {
    const { dependencies = {}, devDependencies = {} } = readJson(file)
    const any = Object.keys({ ...dependencies, ...devDependencies }).length > 0
    return !any || existsSync(join(file, '..', 'node_modules'))
  })
}

/** Each step: what it is called, what it depends on, whether its result is still there, and how it is done. */
function steps() {
  const { scripts = {}, rondo = {} } = manifest
  const install = {
    name: 'dependencies',
    title: `dependencies of the lock file, with ${PNPM} (the first time takes a minute)`,
    inputs: () => [
      join(root, 'pnpm-lock.yaml'),
      join(root, 'pnpm-workspace.yaml'),
      ...manifests(),
      ...filesBelow(join(root, 'patches'), () => true),
    ],
    present: installed,
    work: () => run('npx', ['-y', PNPM, 'install', '--frozen-lockfile', '--prefer-offline']),
  }
  const generate = {
    name: 'generated',
    title: 'types generated from the protos',
    inputs: () => [
      join(root, 'pnpm-lock.yaml'),
      ...['rondo', 'src'].flatMap((folder) => filesBelow(join(root, 'proto', folder), () => true)),
    ],
    present: () => (rondo.generated ?? []).every((path) => existsSync(join(root, path))),
    work: () => run('npm', ['run', '--silent', 'generate']),
  }
  return scripts.generate ? [install, generate] : [install]
}

async function setUp() {
  const all = steps()
  const done = readRecord()
  for (const [index, step] of all.entries()) {
    if (done[step.name] === hashOf(step.inputs()) && step.present()) continue
    say(`set-up ${index + 1}/${all.length}: ${step.title}`)
    const started = Date.now()
    await step.work()
    done[step.name] = hashOf(step.inputs())
    writeFileSync(record, `${JSON.stringify(done, null, 2)}\n`)
    say(`set-up ${index + 1}/${all.length}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`)
  }
}

try {
  checkNode()
  checkWritable()
  await setUp()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  say(`\nSet-up stopped: ${error.message}`)
  process.exitCode = 1
}
