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

/** How much of what a round brings. */
export interface Mix {
  /** Tries to kill a process that callers wait for: one that finds its like gone already is left out. */
  readonly kills: number
  /** Seconds between two connections that are ended, on average. */
  readonly betweenBackends: number
  /** What each round brings beside its share of what is rarer. */
  readonly always: readonly FaultName[]
}

export const mixes = {
  /** Kills as close together as they still find work under way. */
  short: { kills: 12, betweenBackends: 1.2, always: [] },
  /** Each kind of process as often as the others, as far as their starts let: what is between is for the callers. */
  long: { kills: 4, betweenBackends: 6, always: ['broker', 'server-stop'] },
} as const satisfies Readonly<Record<string, Mix>>

/** Where callers wait for an answer. */
const victims: readonly FaultName[] = ['gateway', 'operations', 'requirements']
const specials: readonly FaultName[] = ['server-stop', 'server-backend', 'server-disk', 'broker-disk', 'redis', 'storm', 'several']
const lines: readonly FaultName[] = ['network-callers', 'network-gateway', 'network-postgres', 'network-kafka', 'network-redis']

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

export interface Plan {
  readonly mix?: Mix
  /** Seconds after which the copy is made to which the run goes back at its end. */
  readonly backupAt?: number
}

/** What happens when, by the seed alone; each round its burst of kills, its connections, two things that are rarer, two hurt lines. */
export function scheduleOf(seconds: number, random: Random, { mix = mixes.short, backupAt = 25 }: Plan = {}): readonly Planned[] {
  const planned: Planned[] = [{ at: backupAt, fault: 'backup' }]
  // A broker is promised to each run; a zombie's successor may take a minute, or not come at all: then there is time for another one
  const rare = turns(['broker', 'freeze', ...random.shuffled(specials)])
  const line = turns(random.shuffled(lines))
  const victim = turns(random.shuffled(victims))
  for (let start = 0; start < seconds; start += round) {
    const within = (length: number) => start + random.next() * length
    for (let n = 0; n < mix.kills; n += 1) planned.push({ at: within(burst), fault: victim() })
    for (const fault of mix.always) planned.push({ at: within(round), fault })
    for (let at = within(1); at < start + round; at += mix.betweenBackends * (0.5 + random.next())) planned.push({ at, fault: 'backend' })
    for (const half of [0, round / 2]) {
      planned.push({ at: half + within(round / 2), fault: line() })
      planned.push({ at: half + 2 + within(4), fault: rare() })
    }
  }
  return planned.filter(({ at }) => at < seconds).sort((one, other) => one.at - other.at)
}
