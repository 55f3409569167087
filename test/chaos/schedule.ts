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
  'network',
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
const specials: readonly FaultName[] = ['broker', 'server-stop', 'freeze', 'server-backend', 'redis', 'storm']

/** What is rarer, in an order of the seed's, each before any comes again; a broker first: one is promised to each run. */
const rareOf = (random: Random): readonly FaultName[] => {
  const drawn = specials.slice(1).map((fault) => ({ fault, at: random.next() }))
  return ['broker', ...drawn.sort((one, other) => one.at - other.at).map(({ fault }) => fault)]
}

/** What happens when, by the seed alone; each round its burst of kills, its connections, and one thing that is rarer. */
export function scheduleOf(seconds: number, random: Random): readonly Planned[] {
  const planned: Planned[] = []
  const rare = rareOf(random)
  for (let start = 0, index = 0; start < seconds; start += round, index += 1) {
    for (let n = 0; n < killsEach; n += 1) planned.push({ at: start + random.next() * burst, fault: random.pick(victims) })
    for (let at = start + random.next(); at < start + round; at += betweenBackends * (0.5 + random.next()))
      planned.push({ at, fault: 'backend' })
    for (let n = 0; n < 2; n += 1) planned.push({ at: start + random.next() * round, fault: 'network' })
    const fault = rare[index % rare.length]
    if (fault) planned.push({ at: start + 3 + random.next() * 8, fault })
  }
  return planned.filter(({ at }) => at < seconds).sort((one, other) => one.at - other.at)
}
