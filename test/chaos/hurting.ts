import { setTimeout as pause } from 'node:timers/promises'
import type { Replicated } from '@rondo/testkit/launch'
import { breathing, brief } from './breath.ts'
import { faultsOf } from './faults.ts'
import { missingOf, type Needs } from './kinds.ts'
import { Owed } from './owed.ts'
import { createRandom } from './random.ts'
import { resting } from './rest.ts'
import { type FaultName, type Mix, type Planned, scheduleOf } from './schedule.ts'
import type { Stage } from './stage.ts'

/** From when on it ends, and when it ends in any case (milliseconds of this process's clock). */
export interface Span {
  readonly end: number
  readonly latest: number
}

interface Hurting {
  readonly seed: number
  readonly kills: number
  readonly mix: Mix
  readonly backupAt: number
  readonly ending: AbortSignal
}

export const hitsOf = ({ kills }: Pick<Stage, 'kills'>): number => kills.filter(({ inFlight }) => inFlight > 0).length
export const doneOf = ({ kills, others }: Stage) => ({ kills, others: Object.fromEntries([...others].sort()) })
export const unableOf = ({ network, disks }: Replicated): readonly Needs[] => [
  ...('missing' in network ? (['network'] as const) : []),
  ...('missing' in disks ? (['disks'] as const) : []),
]

/** Seconds that what was begun last may take. */
const lastsMost = 90
/** Milliseconds before the end from which on nothing is begun that takes its time, unless a kind is missing. */
const closing = 15_000

/** Each fault at its time; those that last go on beside the others, never two of one kind. */
async function hurt(
  stage: Stage,
  planned: readonly Planned[],
  begin: number,
  { breath, over, closes }: { readonly breath: number; readonly over: () => boolean; readonly closes: () => boolean },
): Promise<void> {
  const faults = faultsOf(stage.random)
  const running = new Map<FaultName, Promise<void>>()
  const breathes = breathing(() => stage.history.acknowledged, breath)
  const rested = resting(
    () => stage.intake.behind,
    () => stage.timeline.now,
    (rests) => {
      stage.intake.resting = rests
      stage.timeline.note(rests ? `the faults rest: ${stage.intake.behind} are to be read` : 'the faults go on')
    },
  )
  const owed = new Owed()
  const lasting = () => [...running.keys()].some((fault) => !brief.has(fault))
  const started = (fault: FaultName) => {
    const work = () => faults[fault](stage)
    return (brief.has(fault) ? work() : stage.timeline.span(fault, work))
      .catch((error: unknown) => stage.say(`  ${fault}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => running.delete(fault))
  }
  for (const { at, fault } of planned) {
    const wait = begin + at * 1000 - performance.now()
    if (wait > 0) await pause(wait)
    const ending = over()
    if (ending && !lasting()) break
    const may = (one: FaultName) => !running.has(one) && rested(one) && breathes(one)
    if (brief.has(fault)) {
      if (may(fault)) running.set(fault, started(fault))
    } else if (!ending && !closes()) {
      const next = owed.next(fault, may)
      if (next) running.set(next, started(next))
    }
  }
  await Promise.all(running.values())
}

/** One schedule, long enough; as much of it as is needed. */
export async function hurtEnough(stage: Stage, { seed, kills, mix, ending, backupAt }: Hurting, { end, latest }: Span): Promise<void> {
  const begin = performance.now()
  const plan = { mix, backupAt: (backupAt * (end - begin)) / 1000 }
  const planned = scheduleOf((latest - begin) / 1000 + lastsMost, createRandom(seed).fork('schedule'), plan)
  const whole = () => missingOf(doneOf(stage), unableOf(stage.engines)).length === 0
  const enough = () => kills === 0 || (hitsOf(stage) >= kills && whole())
  await hurt(stage, planned, begin, {
    breath: mix.breath,
    over: () => ending.aborted || performance.now() > latest || (performance.now() > end && enough()),
    closes: () => performance.now() > end - closing && (kills === 0 || whole()),
  })
}
