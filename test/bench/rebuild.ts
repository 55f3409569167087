import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { openItems, stored } from './fill.ts'
import { aimed, alternate, atLeast, atMost, type Figure, figureOf, median } from './measure.ts'
import type { Settings } from './rows.ts'
import type { Stage } from './stage.ts'

interface Memory {
  readonly before: number
  /** The most in each half of the time. */
  readonly halves: readonly [number, number]
}

/** Memory of this process while it works, in MB. */
async function watched(work: () => Promise<unknown>): Promise<Memory> {
  const now = () => process.memoryUsage().rss / 2 ** 20
  const before = now()
  const seen: number[] = [before]
  let over = false
  const watch = async () => {
    while (!over) {
      seen.push(now())
      await pause(20)
    }
  }
  const watching = watch()
  await work().finally(() => {
    over = true
  })
  await watching
  const middle = Math.ceil(seen.length / 2)
  return { before, halves: [Math.max(...seen.slice(0, middle)), Math.max(...seen.slice(middle))] }
}

/** Events in a second by which all states are made anew, beside a bare copy of the same events out of the database. */
export async function rebuildFigures(stage: Stage, { rounds, stored: many, goOn }: Settings): Promise<readonly Figure[]> {
  const url = await stage.postgres()
  // The other rows read theirs with the first fold: one of its own, and smaller, as each round reads all of it
  const events = many / 5
  const service = await stored(url, events, 'folded')
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`set search_path = ${service}`)
  const memory: Memory[] = []
  let fold = 1
  const perSecond = async (work: () => Promise<unknown>) => {
    const begin = performance.now()
    await work()
    return (events * 1000) / (performance.now() - begin)
  }
  const open = async () => {
    fold++
    await (await openItems(url, service, fold)).close()
  }
  const measured = await alternate(
    rounds,
    [
      {
        name: 'rebuild',
        run: () =>
          perSecond(async () => {
            memory.push(await watched(open))
          }),
      },
      { name: 'copy', run: () => perSecond(() => client.query('copy (select * from event) to stdout')) },
    ],
    goOn,
  )
  await client.end()
  const control = { name: 'bare copy … to stdout of the same events', values: measured.get('copy') ?? [] }
  const of = `${events.toLocaleString('en')} events in ${(events / 10).toLocaleString('en')} streams`
  const half = (n: 0 | 1) => memory.map(({ halves }) => halves[n])
  const growth = Math.round(median(memory.map(({ before, halves }) => Math.max(...halves) - before)))
  const first = { name: 'in the first half of the time', values: half(0) }
  const flat = figureOf(
    'memory while all states are rebuilt, second half',
    'MB',
    half(1),
    first,
    `resident, of the process that rebuilds; ${growth} MB above before`,
  )
  return [
    aimed(figureOf('rebuild of all states by a raised fold', 'events/s', measured.get('rebuild') ?? [], control, of), atLeast(0.1)),
    aimed(flat, atMost(1.1)),
  ]
}
