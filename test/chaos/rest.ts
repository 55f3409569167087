import type { FaultName } from './schedule.ts'

/** Events of intake that wait to be read: with more a burst of faults ends, with less the next one begins. */
const behind = { most: 5000, least: 2000 } as const
/** Seconds that a burst lasts at least, and a rest at most. A rest begins with ten in which the groups wait for those who were killed. */
const burstLeast = 100
const restMost = 60

/** What holds a reader up for a moment only; of a server that is killed every few seconds hardly anything is read. */
const harmless: ReadonlySet<FaultName> = new Set(['backend', 'backup'])

/**
 * Whether a fault may begin at this moment, as far as the readers are concerned: a group comes together only where none of its members is
 * killed for ten seconds, so bursts of faults end in rests, in which what has piled up is read.
 */
export function resting(waiting: () => number, now: () => number, turned: (rests: boolean) => void): (fault: FaultName) => boolean {
  let [rests, since] = [false, now()]
  return (fault) => {
    const lasted = now() - since
    const turns = rests ? waiting() < behind.least || lasted > restMost : waiting() > behind.most && lasted > burstLeast
    if (turns) {
      ;[rests, since] = [!rests, now()]
      turned(rests)
    }
    return !rests || harmless.has(fault)
  }
}
