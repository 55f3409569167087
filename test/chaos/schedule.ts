import type { Random } from './random.ts'
import type { KillKind } from './stage.ts'

export const faultNames = [
  'gateway',
  'operations',
  'requirements',
  'several',
  'host',
  'backend',
  'server-stop',
  'server-backend',
  'broker',
  'broker-back',
  'brokers',
  'site',
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

/** How much of what a round brings. */
export interface Mix {
  /** Seconds of a round. */
  readonly round: number
  /** Seconds of a burst of kills. A group waits ten for a member that was killed: kills come in bursts, so that work goes on in between. */
  readonly burst: number
  /** Tries in a round to kill a process that callers wait for: one that finds its like gone already is left out. */
  readonly kills: number
  /** What comes again and again all the time, and the seconds between two, on average. */
  readonly every: Partial<Readonly<Record<FaultName, number>>>
  /** How often a process is killed although one of the other side is gone: with one of each side gone hardly a caller reaches anybody. */
  readonly bothDown: number
  /** How often the server is stopped although some process is just starting, which then begins anew. */
  readonly amidStarts: number
  /** So many things that are rarer, and as many hurt lines, of a round. */
  readonly rarer: number
  /** Messages that are acknowledged between two faults that last. */
  readonly breath: number
  /** The share of those who send one message after the other, and of those who send many at once, that does so: it takes processor time from those who are to start. */
  readonly callers: number
  readonly senders: number
}

export const mixes = {
  /** Kills as close together as they still find work under way. */
  short: {
    round: 16,
    burst: 9,
    kills: 12,
    every: { backend: 1.2 },
    bothDown: 0.15,
    amidStarts: 0.2,
    rarer: 2,
    breath: 20,
    callers: 1,
    senders: 1,
  },
  /** Services and connections as fast as they are back: what waits to be read is a burst’s end (rest.ts). */
  processes: {
    round: 40,
    burst: 40,
    kills: 15,
    every: { host: 1.5, backend: 3, 'server-stop': 20, 'broker-back': 20, site: 40 },
    bothDown: 0.03,
    amidStarts: 0.2,
    rarer: 2,
    breath: 20,
    callers: 1,
    senders: 1,
  },
  /** The server as fast as callers are answered again, and hardly anything that takes processor time from those who are to wait for it. */
  servers: {
    round: 40,
    burst: 40,
    kills: 1,
    every: { backend: 3, 'server-stop': 1 },
    bothDown: 0.03,
    amidStarts: 0.9,
    rarer: 1,
    breath: 8,
    callers: 1,
    senders: 1,
  },
  /** Brokers as fast as they are back, which they are sooner where hardly a service is starting. */
  brokers: {
    round: 40,
    burst: 40,
    kills: 1,
    every: { backend: 3, brokers: 1 },
    bothDown: 0.03,
    amidStarts: 0.6,
    rarer: 1,
    breath: 8,
    callers: 1 / 3,
    senders: 1 / 4,
  },
  /** Every kind of fault, so far apart that most of the time goes to what is sent and read, and most of that in batches. */
  messages: {
    round: 60,
    burst: 60,
    kills: 6,
    every: { backend: 6, 'server-stop': 40, 'broker-back': 40 },
    bothDown: 0.03,
    amidStarts: 0.2,
    rarer: 1,
    breath: 20,
    callers: 1 / 3,
    senders: 1,
  },
} as const satisfies Readonly<Record<string, Mix>>

/** What a mix is there for: it kills these most. */
const mostly = [
  { mix: mixes.processes, kinds: ['service', 'backend'] },
  { mix: mixes.servers, kinds: ['server'] },
  { mix: mixes.brokers, kinds: ['broker'] },
] as const satisfies readonly { readonly mix: Mix; readonly kinds: readonly KillKind[] }[]

/** For a leg of the full run: what still is to be killed, one after the other; then messages. */
export function mixOf(owed: ReadonlySet<KillKind>, leg: number): Mix {
  const fit = mostly.filter(({ kinds }) => kinds.some((kind) => owed.has(kind)))
  return fit[leg % fit.length]?.mix ?? mixes.messages
}

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

/** What happens when, by the seed alone; each round its bursts of kills, what comes all the time, and its share of rarer things and of hurt lines. */
export function scheduleOf(seconds: number, random: Random, { mix = mixes.short, backupAt = 25 }: Plan = {}): readonly Planned[] {
  const planned: Planned[] = [{ at: backupAt, fault: 'backup' }]
  const { round, burst } = mix
  // A broker is promised to each run; a zombie's successor may take a minute, or not come at all: then there is time for another one
  const rare = turns(['broker', 'freeze', ...random.shuffled(specials)])
  const line = turns(random.shuffled(lines))
  const victim = turns(random.shuffled(victims))
  for (let start = 0; start < seconds; start += round) {
    const within = (length: number) => start + random.next() * length
    for (let n = 0; n < mix.kills; n += 1) planned.push({ at: within(burst), fault: victim() })
    for (const [fault, between] of Object.entries(mix.every) as [FaultName, number][])
      for (let at = within(1); at < start + round; at += between * (0.5 + random.next())) planned.push({ at, fault })
    const part = round / mix.rarer
    for (let n = 0; n < mix.rarer; n += 1) {
      planned.push({ at: n * part + within(part), fault: line() })
      planned.push({ at: n * part + 2 + within(part / 2), fault: rare() })
    }
  }
  return planned.filter(({ at }) => at < seconds).sort((one, other) => one.at - other.at)
}
