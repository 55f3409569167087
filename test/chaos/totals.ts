import { cpus } from 'node:os'
import { z } from 'zod'
import { shortOf } from './report.ts'
import type { Result } from './run.ts'
import { type KillKind, killKinds } from './stage.ts'

/** What the full run is to come to, over as many legs as it takes. */
const goals = { kills: 1000, acknowledged: 1_000_000 } as const
/** The kinds of processes by whom was killed: a service counts under its name. */
const kinds = {
  service: ['gateway', 'operations', 'requirements'],
  backend: ['backend'],
  server: ['server'],
  broker: ['broker'],
} as const satisfies Readonly<Record<KillKind, readonly string[]>>

const counts = z.record(z.string(), z.number())
/** Kept in docs/chaos.json, from which docs/chaos.md is written. */
export const totals = z.object({
  /** Runs on engines of their own, one after the other. */
  legs: z.number(),
  /** Legs that could not be run: an engine did not start, say. */
  notRun: z.number(),
  nextSeed: z.number(),
  seconds: z.number(),
  /** Seconds under faults, while callers called. */
  faultSeconds: z.number(),
  kills: counts,
  faults: counts,
  others: counts,
  acknowledged: z.number(),
  lost: z.number(),
  twice: z.number(),
  /** Older copies of PostgreSQL that were put back and settled; of these, under processes that went on. */
  restores: z.number(),
  restoresRunning: z.number(),
  /** Acknowledged messages that were given up with them. */
  takenBack: z.number(),
  broken: z.number(),
  /** Seeds of legs in which a promise broke. */
  brokenSeeds: z.array(z.number()),
  /** Legs in which a promise broke that was mended since. They count for nothing: whoever has mended it writes it here, in the totals from before that leg. */
  mended: z.array(z.object({ seed: z.number(), what: z.string() })),
  /** What the last one came to. */
  newest: z
    .object({
      day: z.iso.date(),
      cores: z.number(),
      seconds: z.number(),
      faultSeconds: z.number(),
      kills: counts,
      acknowledged: z.number(),
    })
    .optional(),
})
export type Totals = z.infer<typeof totals>

export const nothingYet = (seed: number): Totals => ({
  legs: 0,
  notRun: 0,
  nextSeed: seed,
  seconds: 0,
  faultSeconds: 0,
  kills: {},
  faults: {},
  others: {},
  acknowledged: 0,
  lost: 0,
  twice: 0,
  restores: 0,
  restoresRunning: 0,
  takenBack: 0,
  broken: 0,
  brokenSeeds: [],
  mended: [],
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
  const { kept, takenBack, faults } = shortOf(leg)
  return {
    legs: before.legs + 1,
    notRun: before.notRun,
    nextSeed: leg.seed + 1,
    seconds: before.seconds + leg.seconds.all,
    faultSeconds: before.faultSeconds + leg.seconds.faults,
    kills: summed(before.kills, counted),
    faults: summed(before.faults, faults),
    others: summed(before.others, leg.others),
    acknowledged: before.acknowledged + leg.acknowledged,
    lost: before.lost + leg.lost.length,
    twice: before.twice + leg.twice.length,
    restores: before.restores + ('leftOut' in leg.restore ? 0 : 1),
    restoresRunning: before.restoresRunning + ('leftOut' in leg.restore || !leg.restore.running ? 0 : 1),
    takenBack: before.takenBack + takenBack,
    broken: before.broken + leg.broken.length + leg.left.length + leg.fell.length,
    mended: before.mended,
    brokenSeeds: kept ? before.brokenSeeds : [...before.brokenSeeds, leg.seed],
    newest: {
      day: new Date().toISOString().slice(0, 10),
      cores: cpus().length,
      seconds: leg.seconds.all,
      faultSeconds: leg.seconds.faults,
      kills: counted,
      acknowledged: leg.acknowledged,
    },
  }
}

const numbers = new Intl.NumberFormat('en')
const shown = (count: number): string => numbers.format(count)

const killsOf = (kills: Totals['kills'], kind: KillKind): number => kinds[kind].reduce((sum, victim) => sum + (kills[victim] ?? 0), 0)

/** Kinds of processes that are to be killed more often still. */
export const owed = ({ kills }: Pick<Totals, 'kills'>): ReadonlySet<KillKind> =>
  new Set(killKinds.filter((kind) => killsOf(kills, kind) < goals.kills))

/** What is not reached yet, a line each. */
export const missing = ({ kills, acknowledged }: Totals): readonly string[] => [
  ...[...owed({ kills })].map((kind) => `${shown(goals.kills - killsOf(kills, kind))} kills of ${kind}`),
  ...(acknowledged < goals.acknowledged ? [`${shown(goals.acknowledged - acknowledged)} acknowledged messages`] : []),
]

/** What an hour under faults comes to, by the newest leg. */
function rateOf({ newest }: Totals): string {
  if (!newest || newest.faultSeconds === 0) return ''
  const hourly = (count: number) => shown(Math.round((count * 3600) / newest.faultSeconds))
  const each = killKinds.map((kind) => `${kind} ${hourly(killsOf(newest.kills, kind))}`).join(', ')
  return ` The newest leg (${Math.round(newest.seconds)} s, ${Math.round(newest.faultSeconds)} s of them under faults) came, in an hour of faults, to kills of ${each}, and to ${hourly(newest.acknowledged)} acknowledged messages.`
}

const table = (title: string, rows: readonly (readonly [name: string, count: string])[]): string =>
  [`| ${title} | times |`, '|---|---|', ...rows.map(([name, count]) => `| ${name} | ${count} |`), ''].join('\n')

const rowsOf = (all: Readonly<Record<string, number>>) => Object.entries(all).map(([name, count]) => [name, shown(count)] as const)

/** The account of a full run, as far as it is. */
export function documentOf(all: Totals): string {
  const open = missing(all)
  const seeds = all.brokenSeeds.length > 0 ? ` (seeds ${all.brokenSeeds.join(', ')})` : ''
  const reached = killKinds.map((kind) => {
    const each = kinds[kind].length > 1 ? ` (${kinds[kind].map((victim) => `${victim} ${shown(all.kills[victim] ?? 0)}`).join(', ')})` : ''
    return [`${kind}${each}`, `${shown(killsOf(all.kills, kind))} of ${shown(goals.kills)}`] as const
  })
  const mended = all.mended.map(
    ({ seed, what }) =>
      ` A promise broke in the leg of seed ${seed}, which counts for nothing here: ${what}; that was mended before the legs after it.`,
  )
  const on = all.newest ? ` on ${all.newest.cores} cores` : ''
  const messages = ['messages acknowledged', `${shown(all.acknowledged)} of ${shown(goals.acknowledged)}`] as const
  return `# Chaos

Written by \`npm run chaos -- --full\` from [chaos.json](chaos.json)${open.length === 0 ? '' : ', from which it goes on with `--resume`'}. Each leg starts two replicas of gateway, operations and requirements, the other services in one more process, three Kafka brokers (three copies, two in sync) and PostgreSQL, calls at the edge, hurts, heals, and compares what callers were told with what ledgers, topics and consumers hold; then puts an older copy of PostgreSQL back, settles it as [the guide](guides/back-up-and-restore.md) says, and compares again. A kill counts only where somebody waited for what was killed.

Legs: ${all.legs}, ${(all.seconds / 3600).toFixed(1)} hours${on} (${(all.faultSeconds / 3600).toFixed(1)} of them under faults)${all.newest ? `, ${all.newest.day}` : ''}: **${shown(all.acknowledged)} messages acknowledged, ${all.lost} lost, ${all.twice} twice**, ${all.broken} other promises broken${seeds}. Older copies put back: ${all.restores} (${all.restoresRunning} under running processes), with which ${shown(all.takenBack)} acknowledged messages were given up (they are not lost: the operator is told). ${open.length === 0 ? 'All that the full run is to come to is reached.' : `Still to come: ${open.join(', ')}.`}${rateOf(all)}${mended.join('')}

${table('killed at unacknowledged work', [...reached, messages])}
${table('kinds of faults', rowsOf(all.faults))}
${table('in detail', rowsOf(all.others))}`
}
