import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { reportOf, shortOf } from './report.ts'
import { chaos, type Result, type Settings } from './run.ts'
import { mixOf } from './schedule.ts'
import { added, documentOf, missing, nothingYet, owed, type Totals, totals } from './totals.ts'

interface Full {
  readonly resume: boolean
  readonly hours: number
}

/** Minutes of a leg at least: starting, draining and the restore take two of them. */
const shortest = 4
/** Legs in a row that could not be run for reasons of the machine. */
const fallsMost = 3

/** Each leg’s result. */
const folder = () => join(repositoryRoot(), '.chaos', 'full')
/** What all legs together came to: part of the tree, so that it goes on in another checkout. */
const stateFile = () => join(repositoryRoot(), 'docs', 'chaos.json')

/** As it was left; a run that is begun anew starts from nothing. */
function stateOf(resume: boolean, seed: number): Totals {
  if (!resume) return nothingYet(seed)
  if (!existsSync(stateFile())) throw new RangeError(`--resume: there is no ${stateFile()} to go on from`)
  return totals.parse(JSON.parse(readFileSync(stateFile(), 'utf8')))
}

const written = (file: string, what: object) => writeFileSync(file, `${JSON.stringify(what, null, 2)}\n`)

function keep(all: Totals, leg?: Result): void {
  mkdirSync(folder(), { recursive: true })
  if (leg) written(join(folder(), `leg-${leg.seed}.json`), shortOf(leg))
  written(`${stateFile()}.new`, all)
  renameSync(`${stateFile()}.new`, stateFile())
  writeFileSync(join(repositoryRoot(), 'docs', 'chaos.md'), documentOf(all))
}

/** Undefined: it could not be run (an engine did not start, say), which says nothing of what is promised. */
async function legOf(settings: Settings): Promise<Result | undefined> {
  try {
    return await chaos(settings)
  } catch (error) {
    settings.say(`the leg of seed ${settings.seed} could not be run: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

/**
 * Leg after leg until everything is reached, the hours are over, somebody ends it, or a promise broke. Each leg is judged by itself, on
 * engines of its own: what is held in memory is one leg’s. What was done is kept after each.
 */
export async function full(settings: Settings, { resume, hours }: Full): Promise<Totals> {
  const { ending, say } = settings
  const end = performance.now() + hours * 3_600_000
  const left = () => (end - performance.now()) / 60_000
  let all = stateOf(resume, settings.seed)
  for (let falls = 0; falls < fallsMost && missing(all).length > 0 && left() >= shortest && !ending.aborted; ) {
    const seed = all.nextSeed
    const leg = await legOf({ ...settings, seed, mix: mixOf(owed(all), seed), minutes: Math.min(settings.minutes, left()) })
    falls = leg ? 0 : falls + 1
    all = leg ? added(all, leg) : { ...all, nextSeed: all.nextSeed + 1, notRun: all.notRun + 1 }
    keep(all, leg)
    if (leg) process.stdout.write(reportOf(leg))
    if (leg && !shortOf(leg).kept) break
  }
  const open = missing(all)
  say(open.length === 0 ? 'all that the full run is to come to is reached' : `still to come: ${open.join(', ')}; --full --resume goes on`)
  return all
}
