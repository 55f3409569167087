import { writeFileSync } from 'node:fs'
import { asked, numberOf, refuse } from '../../scripts/asked.ts'
import { lineChart } from './chart.ts'
import { curveRows } from './curves.ts'
import { writeDrawing, writeFigures } from './document.ts'
import { openProfiling, type Profiling } from './flame.ts'
import { type Figure, unmeasured } from './measure.ts'
import { jsonOf, lineOf, tableOf } from './report.ts'
import { type Row, rows, type Settings } from './rows.ts'
import { openStage, type Stage } from './stage.ts'

const usage = `npm run bench -- [options]

Figures beside their controls, in turn, in one run; on a PostgreSQL and a Kafka of its own.

  --only PATTERN   rows whose name the pattern (a regular expression) is found in
  --rounds N       rounds of each figure (default 5)
  --minutes N      the time for all of it, shared out among the rows: where it is short, rounds are left out first, then rows (default 12)
  --stored N       events of the large ledgers (default 1e6; 1e7 takes about 15 minutes more)
  --events N       events that a process takes before its memory is looked at (default 1e4; the full run: 1e6)
  --offered N      calls in a second that more than can be taken is tried with (default: three times what saturates)
  --json FILE      the figures as JSON
  --emmett         the row beside Emmett's event store too: fetches it by npm into a temporary folder (it has no licence: see to it
                   that you may)
  --curves         curves too: what a figure comes to while callers, rate or stored events grow
  --flame          where processors are while a row is measured, as docs/performance/flame-ROW.svg; figures are lower then, and not written
  --write          figures into docs/performance.md in the places of the same rows' former ones, curves as SVG beside it
  --help           this

Rows: ${rows.map(({ name }) => name).join(', ')}
Curves: ${curveRows.map(({ name }) => name).join(', ')}
`

const say = (text: string) => process.stderr.write(`${text}\n`)

const options = {
  only: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  minutes: { type: 'string', default: '12' },
  stored: { type: 'string', default: '1e6' },
  events: { type: 'string', default: '1e4' },
  offered: { type: 'string' },
  json: { type: 'string' },
  emmett: { type: 'boolean', default: false },
  curves: { type: 'boolean', default: false },
  flame: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
} as const

function pattern(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    return refuse(`--only ${text}: ${error instanceof Error ? error.message : error}`)
  }
}

function given() {
  const { values } = asked(usage, { options })
  const only = pattern(values.only ?? '')
  const wanted = rows.filter(({ name }) => only.test(name))
  const curves = curveRows.filter(({ name }) => values.curves && only.test(name))
  if (wanted.length + curves.length === 0)
    refuse(
      `--only ${values.only}: no row is called so; there are ${[...rows, ...curveRows].map(({ name }) => name).join(', ')} (curves with --curves)`,
    )
  if (values.write && values.flame) refuse('--flame slows down what it looks at: --write without it')
  const end = performance.now() + numberOf('minutes', values.minutes, 0.1, 600) * 60_000
  const settings = {
    rounds: numberOf('rounds', values.rounds, 1, 100),
    stored: numberOf('stored', values.stored, 1e5, 1e7),
    events: numberOf('events', values.events, 1000, 1e7),
    offered: values.offered === undefined ? undefined : numberOf('offered', values.offered, 100, 1e5),
    emmett: values.emmett,
  }
  return { ...values, wanted, curves, settings, end }
}

/** When a row's share of what is left of the time is over. */
function endOf(rest: readonly Row[], end: number): number {
  const now = performance.now()
  const all = rest.reduce((sum, { seconds }) => sum + seconds, 0)
  return now + ((end - now) * (rest[0]?.seconds ?? 0)) / Math.max(all, 1)
}

type Asked = ReturnType<typeof given>

interface Outcome {
  readonly figures: Map<string, readonly Figure[]>
  readonly failed: string[]
}

/** A row that fails does not take the others with it. */
async function measure(stage: Stage, { name, figures: make }: Row, settings: Settings, { figures, failed }: Outcome): Promise<void> {
  say(`${name} …`)
  const begin = performance.now()
  try {
    const made = await make(stage, settings)
    for (const figure of made) say(`  ${lineOf(figure)}`)
    figures.set(name, made)
  } catch (error) {
    failed.push(name)
    say(`  ${name} failed: ${error instanceof Error ? error.stack : error}`)
    figures.set(name, [unmeasured(name, '', `failed: ${error instanceof Error ? error.message : error}`)])
  }
  say(`  ${((performance.now() - begin) / 1000).toFixed(0)} s`)
}

async function measured(stage: Stage, { wanted, settings: asked, end }: Asked, profiling?: Profiling): Promise<Outcome> {
  const outcome: Outcome = { figures: new Map(), failed: [] }
  for (const [index, row] of wanted.entries()) {
    const share = endOf(wanted.slice(index), end)
    const settings: Settings = { ...asked, goOn: () => performance.now() < share }
    if (performance.now() >= end) outcome.figures.set(row.name, [unmeasured(row.name, '', 'left out: the time was over (--minutes)')])
    else if (!profiling) await measure(stage, row, settings, outcome)
    else writeDrawing(`flame-${row.name}`, await profiling.around(row.name, () => measure(stage, row, settings, outcome)))
  }
  return outcome
}

async function drawn(stage: Stage, { curves, settings, write }: Asked): Promise<void> {
  for (const { name, curve } of curves) {
    say(`${name} …`)
    const made = await curve(stage, { ...settings, goOn: () => true })
    for (const { series, x, y } of made.points) say(`  ${series}: ${made.x} ${Math.round(x)}, ${made.y} ${y.toFixed(2)}`)
    if (write) writeDrawing(made.name, lineChart(made))
  }
}

async function main(): Promise<number> {
  const asked = given()
  const stage = await openStage()
  // Engines are processes of their own: they must not outlive us
  const quit = (code: number) => void stage.end().finally(() => process.exit(code))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => quit(130))
  process.once('uncaughtException', (error) => {
    say(`failed: ${error.stack}`)
    quit(1)
  })
  try {
    const { figures, failed } = await measured(stage, asked, asked.flame ? openProfiling(stage.folder) : undefined)
    const all = [...figures.values()].flat()
    if (all.length > 0) process.stdout.write(tableOf(all))
    if (asked.json) writeFileSync(asked.json, `${JSON.stringify(jsonOf(all), null, 2)}\n`)
    const order = rows.map(({ name }) => name)
    if (asked.write && figures.size > 0) writeFigures(figures, order)
    await drawn(stage, asked)
    return failed.length > 0 ? 1 : 0
  } finally {
    await stage.end()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  say(String(error instanceof Error ? error.stack : error))
  process.exitCode = 1
}
process.exit()
