import { promises } from '@rondo/testkit/promises'
import { countsOf } from './kinds.ts'
import type { Result } from './run.ts'
import { killKinds } from './stage.ts'

const shown = 40

/** Of the promises by their numbers, those that are looked at here; a poison and a timer are others' to prove. */
const numbered = [1, 2, 3, 4, 5, 6, 8] as const
const others = [
  'the same message id again has the same answer',
  'another content under the same message id is refused',
  'no caller meets a defect',
  'a state stands where its events end',
  'what the copy had is there after the restore',
]

export interface Held {
  readonly promise: string
  /** What is wrong, a line each; empty: it held. */
  readonly wrong: readonly string[]
}

const mostly = (hits: Result['kills']) => hits.filter(({ kind }) => kind === 'service' || kind === 'backend').length * 2 > hits.length

/** What the run has to show, one by one. */
export function promisesOf(result: Result): readonly Held[] {
  const { broken, left, fell, kills, wanted, restore, missing } = result
  const hits = kills.filter(({ inFlight }) => inFlight > 0)
  const names = numbered.map((number) => `promise ${number} (${promises[number]})`)
  const wrong = Map.groupBy(broken, ({ promise }) => promise)
  const known = new Map([...names, ...others].map((name) => [name, (wrong.get(name) ?? []).map(({ what }) => what)]))
  const more = [...wrong].filter(([name]) => !known.has(name)).map(([name, all]) => [name, all.map(({ what }) => what)] as const)
  return [
    ...[...known, ...more].map(([promise, all]) => ({ promise, wrong: all })),
    { promise: 'all that was begun comes to its end', wrong: left },
    { promise: 'no process ends by itself', wrong: fell.map(({ name, log }) => `${name}: ${log.slice(-3).join(' | ')}`) },
    { promise: 'an older copy was put back and settled', wrong: 'leftOut' in restore ? [restore.leftOut] : [] },
    {
      promise: `${wanted} kills hit unacknowledged work`,
      wrong: hits.length < wanted ? [`only ${hits.length} did: the machine is too busy`] : [],
    },
    { promise: 'most of them are services and connections', wrong: mostly(hits) || wanted === 0 ? [] : ['most were servers and brokers'] },
    { promise: 'each kind of fault was there', wrong: wanted > 0 ? missing.map((kind) => `not ${kind}`) : [] },
  ]
}

/** Tests and CI read the last line. What this machine cannot do is skipped. */
export function closingOf(result: Result): string {
  const all = promisesOf(result)
  const failed = all.filter(({ wrong }) => wrong.length > 0)
  const skipped = result.leftOut.length > 0 ? `, ${result.leftOut.length} skipped` : ''
  const named = failed.map(({ promise, wrong }) => `failed: ${promise}: ${wrong[0]}\n`)
  return `${named.join('')}${all.length - failed.length} passed, ${failed.length} failed${skipped}\n`
}

/** What a machine reads of a run. */
export function shortOf(result: Result) {
  const { seed, kills, acknowledged, lost, twice, broken, left, fell, others, tries, seconds, restarts, restore, leftOut, answers } = result
  const hits = kills.filter(({ inFlight }) => inFlight > 0)
  const byKind = Object.fromEntries(killKinds.map((kind) => [kind, hits.filter((one) => one.kind === kind).length]))
  return {
    kept: lost.length === 0 && twice.length === 0 && broken.length === 0 && left.length === 0 && fell.length === 0,
    seed,
    /** Those that hit unacknowledged work. */
    kills: hits.length,
    killsWanted: result.wanted,
    killsByKind: byKind,
    /** How often each kind of fault was there. */
    faults: countsOf(result),
    killsOfNobody: kills.length - hits.length,
    otherFaults: others,
    acknowledged,
    tries,
    answers,
    lost: lost.length,
    twice: twice.length,
    /** Acknowledged, and given up by whoever went back to an older copy: not lost. */
    takenBack: 'leftOut' in restore ? 0 : restore.takenBack,
    restore,
    leftOut,
    promises: promisesOf(result).map(({ promise, wrong }) => ({ promise, held: wrong.length === 0 })),
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

const restoreLine = (restore: Result['restore']): string =>
  'leftOut' in restore
    ? `  no older copy was put back: ${restore.leftOut}`
    : `  PostgreSQL went back to an older copy, ${restore.running ? 'under running processes' : 'with all processes started anew'}: ${restore.services.join(', ')} were behind; ${restore.takenBack} acknowledged messages were given up with it (${restore.seconds.toFixed(0)} s)`

/** The same in plain words. */
export function reportOf(result: Result): string {
  const { kept, kills, killsByKind, killsOfNobody, faults, otherFaults, acknowledged, tries, seconds, restartSeconds } = shortOf(result)
  const kinds = Object.entries(killsByKind).map(([kind, count]) => `${count} ${kind}`)
  const lines = (counts: Readonly<Record<string, number>>) => Object.entries(counts).map(([what, times]) => `    ${what}: ${times}`)
  return [
    '',
    `seed ${result.seed}: ${kept ? 'every promise held' : 'A PROMISE BROKE'}`,
    `  ${kills} kills hit work that was not acknowledged yet (${kinds.join(', ')}); ${killsOfNobody} more hit nobody`,
    '  faults by their kinds',
    ...lines(faults),
    '  in detail',
    ...lines(otherFaults),
    `  ${acknowledged} messages were acknowledged (in ${tries} tries): ${result.lost.length} lost, ${result.twice.length} twice`,
    `  ${seconds.all.toFixed(0)} s in all: ${seconds.faults.toFixed(0)} s under faults, ${seconds.drain.toFixed(0)} s until all was drained`,
    `  a process that was killed answered again after ${restartSeconds.median.toFixed(1)} s (median; ${restartSeconds.most.toFixed(1)} s at most)`,
    restoreLine(result.restore),
    ...result.leftOut.map((what) => `  ${what}`),
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
