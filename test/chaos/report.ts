import type { Result } from './run.ts'
import { killKinds } from './stage.ts'

const shown = 40

/** What a machine reads of a run. */
export function shortOf(result: Result) {
  const { seed, kills, acknowledged, lost, twice, broken, left, fell, others, tries, seconds, restarts } = result
  const hits = kills.filter(({ inFlight }) => inFlight > 0)
  const byKind = Object.fromEntries(killKinds.map((kind) => [kind, hits.filter((one) => one.kind === kind).length]))
  return {
    kept: lost.length === 0 && twice.length === 0 && broken.length === 0 && left.length === 0 && fell.length === 0,
    seed,
    /** Those that hit unacknowledged work. */
    kills: hits.length,
    killsByKind: byKind,
    killsOfNobody: kills.length - hits.length,
    otherFaults: others,
    acknowledged,
    tries,
    lost: lost.length,
    twice: twice.length,
    broken: broken.length,
    unfinished: left.length,
    fell: fell.length,
    seconds,
    restartSeconds: { median: restarts.toSorted((a, b) => a - b)[restarts.length >> 1] ?? 0, most: Math.max(0, ...restarts) },
    details: {
      lost: lost.slice(0, shown),
      twice: twice.slice(0, shown),
      broken: broken.slice(0, shown),
      unfinished: left.slice(0, shown),
      fell,
    },
  }
}

const list = (title: string, lines: readonly string[]): string =>
  lines.length === 0
    ? ''
    : `\n${title}\n${lines
        .slice(0, shown)
        .map((line) => `  ${line}\n`)
        .join('')}${lines.length > shown ? `  and ${lines.length - shown} more\n` : ''}`

/** The same in plain words. */
export function reportOf(result: Result): string {
  const { kept, kills, killsByKind, killsOfNobody, otherFaults, acknowledged, tries, seconds, restartSeconds } = shortOf(result)
  const kinds = Object.entries(killsByKind).map(([kind, count]) => `${count} ${kind}`)
  const others = Object.entries(otherFaults).map(([what, times]) => `${what}: ${times}`)
  return [
    '',
    `seed ${result.seed}: ${kept ? 'every promise held' : 'A PROMISE BROKE'}`,
    `  ${kills} kills hit work that was not acknowledged yet (${kinds.join(', ')}); ${killsOfNobody} more hit nobody`,
    `  ${others.join('; ') || 'no other faults'}`,
    `  ${acknowledged} messages were acknowledged (in ${tries} tries): ${result.lost.length} lost, ${result.twice.length} twice`,
    `  ${seconds.all.toFixed(0)} s in all: ${seconds.faults.toFixed(0)} s under faults, ${seconds.drain.toFixed(0)} s until all was drained`,
    `  a process that was killed answered again after ${restartSeconds.median.toFixed(1)} s (median; ${restartSeconds.most.toFixed(1)} s at most)`,
    list('lost', result.lost) + list('twice', result.twice),
    list(
      'broken',
      result.broken.map(({ promise, what }) => `${promise}: ${what}`),
    ),
    list('not at its end', result.left),
    list(
      'ended by itself',
      result.fell.map(({ name, log }) => `${name}: ${log.slice(-3).join(' | ')}`),
    ),
  ]
    .filter((part, index) => index === 0 || part !== '')
    .join('\n')
    .trimEnd()
    .concat('\n')
}
