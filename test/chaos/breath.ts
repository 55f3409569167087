import type { FaultName } from './schedule.ts'

/** Done as soon as they have hit. While something that takes its time comes to its end they go on: that would else be time without any. */
export const brief: ReadonlySet<FaultName> = new Set(['gateway', 'operations', 'requirements', 'several', 'host', 'backend'])

/** Messages that are acknowledged between two kills of a process. */
const betweenKills = 4

const kindOf = (fault: FaultName): 'kill' | 'lasting' | undefined => {
  // Connections are ended at work only; the copy is made once
  if (fault === 'backend' || fault === 'backup') return undefined
  return brief.has(fault) ? 'kill' : 'lasting'
}

/** `breath`: messages that are acknowledged between two faults that last. Whether so much was done since the last one of its kind that it may begin, however slow the machine is: who hurts what lies on the ground already finds nobody at work. */
export function breathing(acknowledged: () => number, breath: number): (fault: FaultName) => boolean {
  const between = { kill: betweenKills, lasting: breath }
  const last = { kill: 0, lasting: 0 }
  return (fault) => {
    const kind = kindOf(fault)
    if (!kind) return true
    const now = acknowledged()
    if (now < last[kind] + between[kind]) return false
    last[kind] = now
    return true
  }
}
