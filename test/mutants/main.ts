import { spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { temporaryFolder } from '@rondo/testkit/temporary-folder'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { asked, numberOf, refuse } from '../../scripts/asked.ts'
import { mutants } from './guards.ts'
import type { Mutant } from './mutant.ts'

const usage = `npm run mutants -- [--only PART] [--seeds N] [--minutes N] [--json FILE]

Removes each guard of the ledger, the relay and the consumer in turn, in a copy of the tree, and shows who notices: the simulation, or a
test that is named for it. Kafka and Redis are found or started once; each guard's test has a PostgreSQL of its own.

  --only PART   those whose name or file holds this text
  --seeds N     seeds that the simulation tries with each (default 1500)
  --from N      the first of them (default 1)
  --minutes N   starts no further one after so many (default 60)
  --lanes N     so many at the same time, each in a copy of its own (default: as many as there are cores)
  --json FILE   {mutants: [{name, noticed, by, cutShort, problem}]}

Ends with 0 when each was noticed, 1 when one was not, 2 when not all could be tried in time.
`

interface Result {
  readonly name: string
  readonly noticed: boolean
  /** \`simulation: seed …\`, or the test. */
  readonly by: string | undefined
  /** Not all seeds could be tried in time. */
  readonly cutShort: boolean
  /** Why it could not be tried. */
  readonly problem?: string
}

const { values } = asked(usage, {
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '1500' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '60' },
    lanes: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'string' },
  },
})

const [seeds, from, minutes, lanes] = [
  numberOf('seeds', values.seeds, 1),
  numberOf('from', values.from, 1),
  numberOf('minutes', values.minutes, 0.1),
  numberOf('lanes', values.lanes, 1),
]

const root = repositoryRoot()
/** What no test needs of a tree, or the copy takes as it is. */
const left = new Set(['.git', '.cache', '.chaos', '.rondo', 'node_modules', 'docs'])

/** Packages find each other by relative links, so that those of a copy find the copy's. */
function copyOfTree(): string {
  const copy = temporaryFolder('mutants')
  for (const name of readdirSync(root).filter((one) => !left.has(one)))
    cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** How the simulation ends when it saw nothing in those seeds that it could try. */
const outOfTime = 2

interface Ended {
  readonly code: number
  readonly output: string
}

/** Where the tests find Kafka and Redis: starting them for each takes longer than most of what notices. */
const environment: NodeJS.ProcessEnv = { ...process.env }

function ended(folder: string, command: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(join(folder, 'node_modules/.bin', command), args, {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const { promise, resolve, reject } = Promise.withResolvers<Ended>()
  child.on('error', reject)
  child.on('close', (code) => resolve({ code: code ?? 1, output }))
  return promise
}

const simulated = (folder: string): Promise<Ended> =>
  ended(folder, 'node', [
    '--conditions=development',
    'test/simulate/main.ts',
    '--first',
    ...['--seeds', String(seeds), '--from', String(from), '--minutes', '5'],
  ])

const needsEngines = (file: string): boolean => file.endsWith('.int.test.ts')

const tested = (folder: string, [file, name]: readonly [string, string]): Promise<Ended> =>
  ended(folder, 'vitest', ['run', '--project', needsEngines(file) ? 'integration' : 'unit', file, ...(name ? ['-t', name] : [])])

async function noticed(folder: string, mutant: Mutant): Promise<Omit<Result, 'name'>> {
  let cutShort = false
  if (mutant.simulated !== false) {
    const { code, output } = await simulated(folder)
    cutShort = code === outOfTime
    if (code !== 0 && !cutShort)
      return by(`simulation: ${/(promise \d|an error that nobody)[^\n]*/.exec(output)?.[0] ?? output.trim().split('\n').at(-1)}`)
  }
  const unnoticed = { noticed: false, by: undefined, cutShort }
  if (!mutant.test) return unnoticed
  const { code, output } = await tested(folder, mutant.test)
  if (code === 0) return unnoticed
  if (!/\d+ failed/.test(output)) throw new Error(`${mutant.test.join(' ')} could not be run:\n${output}`)
  return by(`test: ${mutant.test.join(' ')}`)
}

const by = (what: string) => ({ noticed: true, by: what, cutShort: false })

async function tried(folder: string, mutant: Mutant): Promise<Result> {
  const file = join(folder, mutant.file)
  const text = readFileSync(file, 'utf8')
  if (text.split(mutant.find).length !== 2)
    throw new Error(`${mutant.file} holds ${JSON.stringify(mutant.find)} not exactly once: mend the table`)
  writeFileSync(
    file,
    text.replace(mutant.find, () => mutant.replace),
  )
  try {
    return { name: mutant.name, ...(await noticed(folder, mutant)) }
  } finally {
    writeFileSync(file, text)
  }
}

const untried = ({ name }: Mutant, error: unknown): Result => ({
  name,
  noticed: false,
  by: undefined,
  cutShort: false,
  problem: error instanceof Error ? error.message : String(error),
})

function told({ name, noticed, by, cutShort, problem }: Result): string {
  const more = [by, cutShort ? `not all ${seeds} seeds could be tried in time` : undefined, problem].filter(Boolean)
  return [`${noticed ? 'noticed    ' : 'NOT NOTICED'}  ${name}`, ...more.map((line) => `               ${line}`), ''].join('\n')
}

/** Takes the next one until none is left, or the time is over. */
async function lane(waiting: Mutant[], end: number, told: (result: Result) => void): Promise<void> {
  const folder = copyOfTree()
  try {
    for (let mutant = waiting.shift(); mutant && performance.now() < end; mutant = waiting.shift()) {
      const removed = mutant
      told(await tried(folder, removed).catch((error: unknown) => untried(removed, error)))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Once, for all lanes. */
async function startEngines(): Promise<() => Promise<void>> {
  // Loaded only here: who asks for help need not wait for it
  const { startRunEngines, variablesOf } = await import('@rondo/testkit/run-engines')
  const { engines, stop } = await startRunEngines()
  Object.assign(environment, variablesOf(engines))
  return stop
}

async function all(): Promise<number> {
  const wanted = mutants.filter(({ name, file }) => `${name} ${file}`.includes(values.only))
  if (wanted.length === 0)
    refuse(
      `--only ${values.only}: no guard's name or file holds it; test/mutants has all ${mutants.length}, of a "checkpoint", the "epoch", the "relay" and more`,
    )
  const end = performance.now() + minutes * 60_000
  const results: Result[] = []
  const stop = wanted.some(({ test }) => test && needsEngines(test[0])) ? await startEngines() : undefined
  try {
    const sound = await simulated(root)
    if (sound.code !== 0 && sound.code !== outOfTime) throw new Error(`the tree as it is does not pass:\n${sound.output}`)
    const waiting = [...wanted]
    const tell = (result: Result) => {
      results.push(result)
      process.stdout.write(told(result))
    }
    await Promise.all(Array.from({ length: Math.min(lanes, wanted.length) }, () => lane(waiting, end, tell)))
  } finally {
    await stop?.()
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ mutants: results }, null, 2)}\n`)
  const missed = results.filter((one) => !one.noticed)
  process.stdout.write(`${results.length} of ${wanted.length} guards removed, ${missed.length} of them unnoticed\n`)
  if (missed.length > 0) return 1
  return results.length < wanted.length ? 2 : 0
}

// Else the engines would stay
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

if (!existsSync(join(root, 'node_modules'))) throw new Error('run "npm run setup" first')
else process.exitCode = await all()
