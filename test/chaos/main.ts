import { writeFileSync } from 'node:fs'
import { asked, numberOf, refuse } from '../../scripts/asked.ts'
import { full } from './full.ts'
import { closingOf, promisesOf, reportOf, shortOf } from './report.ts'
import { chaos, type Settings, stopAll } from './run.ts'
import { mixes } from './schedule.ts'

const usage = `npm run chaos -- [--minutes N] [--seed N] [--json FILE] [--full [--resume] [--hours N]]

Several processes of Rondo on three Kafka brokers and a PostgreSQL of their own; callers at the edge that remember what
they were told; processes, connections, servers and brokers that are killed while somebody waits for them, writers that
stand still until others have their work, a network that is cut, slow or silent, disks that are full. When all has healed, what ledgers, topics and consumers hold is compared with what the
callers were told; then an older copy of PostgreSQL is put back, and the same is asked again. Ends with 1 when a promise
broke or too few kills hit. What happened when, and what the processes logged, is in .chaos/seed-N afterwards.

  --minutes N   the whole run, starting and checking included (default 4)
  --seed N      the faults and the callers' words come from it (default: the time)
  --callers N   how many call at the same time (default 24)
  --senders N   how many more hand in events by the hundred, as batches and over streams (default 0; with --full 4)
  --kills N     so many have to hit unacknowledged work, and each kind of fault has to be there (default 25 a minute;
                0: neither): on a machine that is too busy the faults go on for half of the minutes more
  --json FILE   the result as JSON
  --full        one leg of so many minutes (default 20) after the other, each judged by itself, until each kind of process
                was killed 1,000 times and 1,000,000 messages were acknowledged; what was done so far is kept in
                docs/chaos.json after each and told in docs/chaos.md, each leg’s result is in .chaos/full
  --resume      the full run goes on from docs/chaos.json; else it begins with nothing
  --hours N     the full run ends after so many hours at the latest (default 8); so does Ctrl-C: the leg is judged
                as far as it is, a second Ctrl-C ends all at once
`

const ending = new AbortController()
const say = (text: string) => process.stderr.write(`${text}\n`)

function read() {
  const { values } = asked(usage, {
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      callers: { type: 'string', default: '24' },
      senders: { type: 'string' },
      kills: { type: 'string' },
      json: { type: 'string' },
      full: { type: 'boolean', default: false },
      resume: { type: 'boolean', default: false },
      hours: { type: 'string', default: '8' },
    },
  })
  const minutes = numberOf('minutes', values.minutes ?? (values.full ? '20' : '4'), 1)
  const settings: Settings = {
    minutes,
    kills: numberOf('kills', values.kills ?? (values.full ? '0' : String(25 * minutes)), 0),
    seed: numberOf('seed', values.seed, 0),
    callers: numberOf('callers', values.callers, 1),
    senders: numberOf('senders', values.senders ?? (values.full ? '4' : '0'), 0),
    ...(values.full
      ? { mix: mixes.processes, backupAt: 0.75, drainWithin: 600_000 }
      : { mix: mixes.short, backupAt: 0.2, drainWithin: 150_000 }),
    most: 200_000,
    ending: ending.signal,
    say,
  }
  if (values.resume && !values.full) refuse('--resume goes on with a full run: give --full too')
  return { ...values, settings, hours: numberOf('hours', values.hours, 0) }
}

const written = (file: string | undefined, result: object) => {
  if (file) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}

async function main(): Promise<void> {
  const { json, settings, resume, hours, ...given } = read()
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

/** Milliseconds: npm passes on what the terminal has sent to all, so one Ctrl-C comes twice. */
const sameCtrlC = 1000
let lastAsked = Number.NEGATIVE_INFINITY

/** Once: a full run judges what it has. Twice, or where nothing is kept: all ends. */
function end(signal: NodeJS.Signals): void {
  const again = performance.now() - lastAsked < sameCtrlC
  if (again && ending.signal.aborted) return
  lastAsked = performance.now()
  if (process.argv.includes('--full') && !ending.signal.aborted) {
    say(`${signal}: the faults end, what is there is judged; once more ends all at once`)
    ending.abort()
    return
  }
  say(`${signal}: ending what was started`)
  void stopAll().finally(() => process.exit(130))
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end)

try {
  await main()
} catch (error) {
  say(error instanceof RangeError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 2
}
process.exit()
