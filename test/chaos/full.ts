import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { repositoryRoot } from '@rondo/testkit/test-data'
import { z } from 'zod'
import { reportOf, shortOf } from './report.ts'
import { chaos, type Result, type Settings } from './run.ts'

/** What the full run is to come to, over as many legs as it takes. */
const goals = { kills: 1000, acknowledged: 1_000_000 } as const
/** Each is to be killed so often. */
const kinds = ['gateway', 'operations', 'requirements', 'backend', 'server', 'broker'] as const

const totals = z.object({
  /** Runs on engines of their own, one after the other. */
  legs: z.number(),
  nextSeed: z.number(),
  seconds: z.number(),
  kills: z.record(z.string(), z.number()),
  others: z.record(z.string(), z.number()),
  acknowledged: z.number(),
  tries: z.number(),
  lost: z.number(),
  twice: z.number(),
  /** Older copies of PostgreSQL that were put back and settled, and acknowledged messages that were given up with them. */
  restores: z.number(),
  takenBack: z.number(),
  broken: z.number(),
  /** Seeds of legs in which a promise broke. */
  brokenSeeds: z.array(z.number()),
})
export type Totals = z.infer<typeof totals>

export const nothingYet = (seed: number): Totals => ({
  legs: 0,
  nextSeed: seed,
  seconds: 0,
  kills: {},
  others: {},
  acknowledged: 0,
  tries: 0,
  lost: 0,
  twice: 0,
  restores: 0,
  takenBack: 0,
  broken: 0,
  brokenSeeds: [],
})

const kindOf = ({ kind, victim }: Result['kills'][number]): string => (kind === 'service' ? victim.replace(/-\d+$/, '') : kind)

/** Both together. */
function summed(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): Record<string, number> {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort()
  return Object.fromEntries(names.map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]))
}

export function added(before: Totals, leg: Result): Totals {
  const hits = leg.kills.filter(({ inFlight }) => inFlight > 0).map(kindOf)
  const counted = Object.fromEntries([...Map.groupBy(hits, (kind) => kind)].map(([kind, all]) => [kind, all.length]))
  const { kept, takenBack } = shortOf(leg)
  return {
    legs: before.legs + 1,
    nextSeed: leg.seed + 1,
    seconds: before.seconds + leg.seconds.all,
    kills: summed(before.kills, counted),
    others: summed(before.others, leg.others),
    acknowledged: before.acknowledged + leg.acknowledged,
    tries: before.tries + leg.tries,
    lost: before.lost + leg.lost.length,
    twice: before.twice + leg.twice.length,
    restores: before.restores + ('leftOut' in leg.restore ? 0 : 1),
    takenBack: before.takenBack + takenBack,
    broken: before.broken + leg.broken.length + leg.left.length + leg.fell.length,
    brokenSeeds: kept ? before.brokenSeeds : [...before.brokenSeeds, leg.seed],
  }
}

/** What is not reached yet, a line each. */
export const missing = ({ kills, acknowledged }: Totals): readonly string[] => [
  ...kinds.flatMap((kind) => ((kills[kind] ?? 0) < goals.kills ? [`${goals.kills - (kills[kind] ?? 0)} kills of ${kind}`] : [])),
  ...(acknowledged < goals.acknowledged ? [`${goals.acknowledged - acknowledged} acknowledged messages`] : []),
]

const table = (title: string, counts: Readonly<Record<string, number>>): string =>
  [`| ${title} | times |`, '|---|---|', ...Object.entries(counts).map(([name, count]) => `| ${name} | ${count} |`), ''].join('\n')

export function documentOf(all: Totals): string {
  const open = missing(all)
  const seeds = all.brokenSeeds.length > 0 ? ` (seeds ${all.brokenSeeds.join(', ')})` : ''
  return `# Chaos

Written by \`npm run chaos -- --full\` (\`--resume\` goes on). Each leg starts two replicas of gateway, operations and requirements, the other services in one more process, three Kafka brokers (three copies, two in sync) and PostgreSQL, calls at the edge, hurts, heals, and compares what callers were told with what ledgers, topics and consumers hold; then puts an older copy of PostgreSQL back, settles it as docs/guides/back-up-and-restore.md says, and compares again. A kill counts only where somebody waited for what was killed.

${all.legs} legs, ${(all.seconds / 3600).toFixed(1)} hours on ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}: **${all.acknowledged} messages acknowledged, ${all.lost} lost, ${all.twice} twice**, ${all.broken} other promises broken${seeds}. ${all.restores} restores of an older copy, with which ${all.takenBack} acknowledged messages were given up (they are not lost: the operator is told). ${open.length === 0 ? 'All that the full run is to come to is reached.' : `Not reached yet: ${open.join(', ')}.`}

${table('killed at unacknowledged work', all.kills)}
${table('other faults', all.others)}`
}

const stateFile = () => join(repositoryRoot(), '.chaos', 'full.json')

/** As it was left; a run that is begun anew starts from nothing. */
function stateOf(resume: boolean, seed: number): Totals {
  if (!resume) return nothingYet(seed)
  if (!existsSync(stateFile())) throw new RangeError(`--resume: there is no ${stateFile()} to go on from`)
  return totals.parse(JSON.parse(readFileSync(stateFile(), 'utf8')))
}

function keep(all: Totals): void {
  mkdirSync(dirname(stateFile()), { recursive: true })
  writeFileSync(`${stateFile()}.new`, JSON.stringify(all, null, 2))
  renameSync(`${stateFile()}.new`, stateFile())
  writeFileSync(join(repositoryRoot(), 'docs', 'chaos.md'), documentOf(all))
}

/** Leg after leg until everything is reached, the hours are over, or a promise broke. What was done is kept after each. */
export async function full(settings: Settings, { resume, hours }: { readonly resume: boolean; readonly hours: number }): Promise<Totals> {
  const end = performance.now() + hours * 3_600_000
  let all = stateOf(resume, settings.seed)
  while (missing(all).length > 0 && performance.now() < end) {
    const leg = await chaos({ ...settings, seed: all.nextSeed })
    process.stdout.write(reportOf(leg))
    all = added(all, leg)
    keep(all)
    if (!shortOf(leg).kept) break
  }
  return all
}
