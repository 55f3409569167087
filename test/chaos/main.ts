import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { reportOf, shortOf } from './report.ts'
import { chaos } from './run.ts'

const usage = `npm run chaos -- [--minutes N] [--seed N] [--json FILE]

Several processes of Rondo on three Kafka brokers and a PostgreSQL of their own; callers at the edge that remember what
they were told; processes, connections, servers and brokers that are killed while somebody waits for them. When all has
healed, what ledgers, topics and consumers hold is compared with what the callers were told.

  --minutes N   the whole run, starting and checking included (default 4)
  --seed N      the faults and the callers' words come from it (default: the time)
  --callers N   how many call at the same time (default 14)
  --kills N     so many have to hit unacknowledged work (default 25 a minute): on a machine that is too busy
                the faults go on for half of the minutes more
  --json FILE   the result as JSON
`

const say = (text: string) => process.stderr.write(`${text}\n`)

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < least) throw new RangeError(`--${name} ${text}: expected a number from ${least}`)
  return value
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '4' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      callers: { type: 'string', default: '14' },
      kills: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(usage)
  const minutes = numberOf('minutes', values.minutes, 1)
  const settings = {
    minutes,
    kills: numberOf('kills', values.kills ?? String(25 * minutes), 0),
    seed: numberOf('seed', values.seed, 0),
    callers: numberOf('callers', values.callers, 1),
    say,
  }
  const result = await chaos(settings)
  process.stdout.write(reportOf(result))
  if (values.json) writeFileSync(values.json, `${JSON.stringify(shortOf(result), null, 2)}\n`)
  if (!shortOf(result).kept) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  say(
    error instanceof RangeError || (error instanceof TypeError && 'code' in error)
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error),
  )
  process.exitCode = 2
}
process.exit()
