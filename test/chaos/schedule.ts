import type { Random } from './random.ts'

export const faultNames = [
  'gateway',
  'operations',
  'requirements',
  'several',
  'backend',
  'server-stop',
  'server-backend',
  'broker',
  'freeze',
  'redis',
  'storm',
  'server-disk',
  'broker-disk',
  'backup',
  'network-callers',
  'network-gateway',
  'network-postgres',
  'network-kafka',
  'network-redis',
] as const
export type FaultName = (typeof faultNames)[number]

export interface Planned {
  /** Seconds after the first. */
  readonly at: number
  readonly fault: FaultName
}

/** Seconds. A group waits ten for a member that was killed: kills come in bursts, so that work goes on in between. */
const round = 16
const burst = 9
/** Tries: one that finds its like gone already is left out. */
const killsEach = 8
const betweenBackends = 0.8

/** Mostly where callers wait for an answer. */
const victims: readonly FaultName[] = ['gateway', 'gateway', 'operations', 'requirements', 'operations', 'requirements', 'several']
const specials: readonly FaultName[] = ['server-stop', 'freeze', 'server-backend', 'server-disk', 'broker-disk', 'redis', 'storm']
const lines: readonly FaultName[] = ['network-callers', 'network-gateway', 'network-postgres', 'network-kafka', 'network-redis']
/** Seconds after which the copy is made to which the run goes back at its end. */
const backupAt = 25

const shuffled = (names: readonly FaultName[], random: Random): readonly FaultName[] =>
  names
    .map((fault) => ({ fault, at: random.next() }))
    .sort((one, other) => one.at - other.at)
    .map(({ fault }) => fault)

/** One after the other, from the first again. */
function turns(names: readonly FaultName[]): () => FaultName {
  let index = 0
  return () => {
    const name = names[index % names.length]
    index += 1
    if (!name) throw new RangeError('nobody has a turn')
    return name
  }
}

/** What happens when, by the seed alone; each round its burst of kills, its connections, two things that are rarer, two hurt lines. */
export function scheduleOf(seconds: number, random: Random): readonly Planned[] {
  const planned: Planned[] = [{ at: backupAt, fault: 'backup' }]
  // A broker first: one is promised to each run
  const rare = turns(['broker', ...shuffled(specials, random)])
  const line = turns(shuffled(lines, random))
  for (let start = 0; start < seconds; start += round) {
    for (let n = 0; n < killsEach; n += 1) planned.push({ at: start + random.next() * burst, fault: random.pick(victims) })
    for (let at = start + random.next(); at < start + round; at += betweenBackends * (0.5 + random.next()))
      planned.push({ at, fault: 'backend' })
    for (const half of [0, round / 2]) {
      planned.push({ at: start + half + (random.next() * round) / 2, fault: line() })
      planned.push({ at: start + half + 2 + random.next() * 4, fault: rare() })
    }
  }
  return planned.filter(({ at }) => at < seconds).sort((one, other) => one.at - other.at)
}
