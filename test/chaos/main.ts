import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { full } from './full.ts'
import { closingOf, promisesOf, reportOf, shortOf } from './report.ts'
import { chaos, type Settings, stopAll } from './run.ts'

const usage = `npm run chaos -- [--minutes N] [--seed N] [--json FILE] [--full [--resume] [--hours N]]

Several processes of Rondo on three Kafka brokers and a PostgreSQL of their own; callers at the edge that remember what
they were told; processes, connections, servers and brokers that are killed while somebody waits for them, writers that
stand still until others have their work, a network that is cut, slow or silent, disks that are full. When all has healed, what ledgers, topics and consumers hold is compared with what the
callers were told; then an older copy of PostgreSQL is put back, and the same is asked again. Ends with 1 when a promise
broke or too few kills hit.

  --minutes N   the whole run, starting and checking included (default 4)
  --seed N      the faults and the callers' words come from it (default: the time)
  --callers N   how many call at the same time (default 14)
  --kills N     so many have to hit unacknowledged work (default 25 a minute): on a machine that is too busy
                the faults go on for half of the minutes more
  --json FILE   the result as JSON
  --full        one run after the other, until each kind of process was killed 1,000 times and 1,000,000 messages were
                acknowledged; what was done so far is kept after each and written to docs/chaos.md
  --resume      the full run goes on where it was left
  --hours N     the full run ends after so many hours at the latest (default 8)
`

const say = (text: string) => process.stderr.write(`${text}\n`)

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < least) throw new RangeError(`--${name} ${text}: expected a number from ${least}`)
  return value
}

function read() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '4' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      callers: { type: 'string', default: '14' },
      kills: { type: 'string' },
      json: { type: 'string' },
      full: { type: 'boolean', default: false },
      resume: { type: 'boolean', default: false },
      hours: { type: 'string', default: '8' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const minutes = numberOf('minutes', values.minutes, 1)
  const settings: Settings = {
    minutes,
    kills: numberOf('kills', values.kills ?? String(25 * minutes), 0),
    seed: numberOf('seed', values.seed, 0),
    callers: numberOf('callers', values.callers, 1),
    say,
  }
  if (values.resume && !values.full) throw new RangeError('--resume goes on with a full run: give --full too')
  return { ...values, settings, hours: numberOf('hours', values.hours, 0) }
}

const written = (file: string | undefined, result: object) => {
  if (file) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}

async function main(): Promise<void> {
  const { help, json, settings, resume, hours, ...given } = read()
  if (help) return void process.stdout.write(usage)
  if (given.full) {
    const totals = await full(settings, { resume, hours })
    written(json, totals)
    if (totals.brokenSeeds.length > 0) process.exitCode = 1
    return
  }
  const result = await chaos(settings)
  written(json, shortOf(result))
  process.stdout.write(`${reportOf(result)}\n${closingOf(result)}`)
  if (promisesOf(result).some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    say(`${signal}: ending what was started`)
    void stopAll().finally(() => process.exit(130))
  })

try {
  await main()
} catch (error) {
  const known = error instanceof RangeError || (error instanceof TypeError && 'code' in error)
  say(known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 2
}
process.exit()
