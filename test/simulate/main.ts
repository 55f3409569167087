import { type ChildProcess, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { promises } from '@rondo/testkit/promises'
import { asked, numberOf } from '../../scripts/asked.ts'
import { type Plan, planOf } from './plan.ts'
import { report } from './report.ts'
import { type Outcome, run } from './run.ts'
import { shrink } from './shrink.ts'
import type { Range, Tried } from './worker.ts'

const usage = `npm run simulate -- [--seeds N] [--from N] [--minutes N] [--workers N] [--json FILE]
npm run simulate -- --seed N

Rondo's ledger writer, relay, consumer and timers in virtual time, on models of PostgreSQL and Kafka that pass the suites of the real
adapters. Each seed stands for callers, one to three processes, and what goes wrong: crashes between any two steps, lost replies,
duplicates, reordering, partitions that move, processes that stand still, slow wires, outages, clocks that jump. When everything has
healed and drained, a checker of the history decides whether the promises of docs/guarantees.md held.

  --seeds N     how many seeds (default 10000)
  --from N      the first one (default 1); "now": others each minute, from the time
  --minutes N   ends after so many, with what was done until then (default 4)
  --workers N   processes that run seeds (default: one for each core)
  --seed N      that seed alone, with its story; where it fails, the shortest that fails
  --first       ends at the first that fails, without looking for a shorter history
  --json FILE   {from, seeds, seeds_per_second, steps, events, failed: [{seed, violations}]}

Ends with how many promises held ("9 passed, 0 failed"; a run that is cut short counts as failed), and with 0 when all did, 1 when one was
broken, 2 when not all seeds could be run in time.
`

const chunk = 25
/** With so many that fail it ends early: one is enough to go on with. */
const mostFailures = () => (values.first ? 1 : 5)
const shrinkMs = 30_000

const { values } = asked(usage, {
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '4' },
    workers: { type: 'string', default: String(cpus().length) },
    seed: { type: 'string' },
    json: { type: 'string' },
    first: { type: 'boolean', default: false },
  },
})

const count = (name: 'seeds' | 'from' | 'workers'): number => numberOf(name, values[name], 1)

/** No two runs within months try the same seeds; below 2^32, where seeds begin again. */
const fromNow = () => 1 + (Math.floor(Date.now() / 60_000) % 400_000) * 10_000

const say = (text: string) => process.stderr.write(`${text}\n`)

interface Sum {
  seeds: number
  steps: number
  events: number
  readonly failed: Tried['failed'][number][]
}

/** Hands ranges of seeds to workers until all are done, the time is over, or enough have failed. */
function all(from: number, seeds: number, workers: number, minutes: number): Promise<Sum> {
  const sum: Sum = { seeds: 0, steps: 0, events: 0, failed: [] }
  const start = performance.now()
  const { promise, resolve, reject } = Promise.withResolvers<Sum>()
  let next = from
  let running = workers
  const give = (worker: ChildProcess) => {
    const over = performance.now() - start > minutes * 60_000 || sum.failed.length >= mostFailures()
    if (next >= from + seeds || over) {
      worker.disconnect()
      running -= 1
      if (running === 0) resolve(sum)
      return
    }
    const range: Range = { from: next, count: Math.min(chunk, from + seeds - next) }
    next += range.count
    worker.send(range)
  }
  const progress = setInterval(() => say(`${sum.seeds} of ${seeds} seeds, ${sum.failed.length} failed`), 10_000)
  for (let n = 0; n < workers; n++) {
    const worker = fork(new URL('worker.ts', import.meta.url))
    worker.on('message', (tried: Tried) => {
      sum.seeds += tried.seeds
      sum.steps += tried.steps
      sum.events += tried.events
      sum.failed.push(...tried.failed)
      give(worker)
    })
    worker.on('exit', (code) => code && reject(new Error(`a worker ended with ${code}`)))
    give(worker)
  }
  return promise.finally(() => clearInterval(progress))
}

async function shortest(failed: Outcome): Promise<Outcome> {
  say(`seed ${failed.plan.seed} breaks a promise; looking for the shortest history that does …`)
  return shrink(failed, (plan: Plan) => run(plan), shrinkMs)
}

async function one(seed: number): Promise<number> {
  const outcome = await run(planOf(seed))
  const held = outcome.violations.length === 0
  process.stdout.write(report(held ? outcome : await shortest(outcome)))
  return held ? 0 : 1
}

async function many(): Promise<number> {
  const seeds = count('seeds')
  const from = values.from === 'now' ? fromNow() : count('from')
  const [workers, minutes] = [count('workers'), numberOf('minutes', values.minutes, 0.1)]
  const start = performance.now()
  say(`${seeds} seeds from ${from}`)
  const sum = await all(from, seeds, workers, minutes)
  const seconds = (performance.now() - start) / 1000
  const failed = sum.failed.map(({ plan, violations }) => ({ seed: plan.seed, violations }))
  const perSecond = Number((sum.seeds / seconds).toFixed(1))
  if (values.json) {
    const result = {
      from,
      seeds: sum.seeds,
      seconds: Number(seconds.toFixed(1)),
      seeds_per_second: perSecond,
      steps: sum.steps,
      events: sum.events,
      failed,
    }
    writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
  }
  const [first] = sum.failed.toSorted((a, b) => a.plan.decisions.length - b.plan.decisions.length)
  if (first) process.stdout.write(report(values.first ? await run(first.plan) : await shortest(await run(first.plan))))
  const done = `${sum.seeds} seeds in ${seconds.toFixed(0)} s (${perSecond} a second): ${sum.steps} steps, ${sum.events} events`
  process.stdout.write(
    `${done}; ${failed.length === 0 ? 'every promise held' : `${failed.length} seeds broke a promise: ${failed.map(({ seed }) => seed).join(', ')}`}\n`,
  )
  const broken = new Set(failed.flatMap(({ violations }) => violations.map(({ promise }) => promise))).size
  const isShort = sum.seeds < seeds && failed.length === 0
  if (isShort) process.stdout.write(`only ${sum.seeds} of ${seeds} seeds could be run in time\n`)
  process.stdout.write(`${Object.keys(promises).length - broken} passed, ${broken + Number(isShort)} failed\n`)
  if (failed.length > 0) return 1
  return isShort ? 2 : 0
}

process.exitCode = values.seed === undefined ? await many() : await one(numberOf('seed', values.seed, 1))
