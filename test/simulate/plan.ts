import { Random } from './random.ts'

export type Engine = 'orders' | 'tally' | 'bus'

/** What callers do. */
export type Step =
  | {
      readonly step: 'ask'
      readonly at: number
      readonly process: number
      readonly id: string
      readonly rule: 'note' | 'bump' | 'place' | 'settle' | 'schedule' | 'cancel' | 'pair'
      readonly order: string
      readonly other: string
      readonly value: string
      readonly ms: number
    }
  | {
      readonly step: 'intake'
      readonly at: number
      readonly process: number
      readonly id: string
      readonly key: string
      readonly text: string
      /** How often it is sent. */
      readonly times: number
    }
  /** Somebody looks at the parked keys. */
  | { readonly step: 'operate'; readonly at: number; readonly process: number; readonly id: string }

/** Before a restore everybody has been gone for so long that nothing of theirs is on its way any more. */
export const stoppedMs = 6_000

export type Fault =
  /** A process ends where it is about to make its n-th request, or where that one was done and nobody has heard of it. */
  | { readonly fault: 'crash'; readonly process: number; readonly request: number; readonly done: boolean; readonly downMs: number }
  /** A process stands still, and goes on as if nothing had been. */
  | { readonly fault: 'freeze'; readonly process: number; readonly at: number; readonly ms: number }
  | { readonly fault: 'stop'; readonly process: number; readonly at: number; readonly downMs: number }
  /**
   * The next such request from then on: gets lost, its reply gets lost, it is done later than its sender hears that it failed, it is done
   * twice, or in part.
   */
  | {
      readonly fault: 'cut'
      readonly process: number
      readonly at: number
      readonly engine: Engine
      readonly what: string | undefined
      readonly how: 'request' | 'reply' | 'late' | 'twice' | 'torn'
      readonly ms: number
    }
  | { readonly fault: 'slow'; readonly process: number; readonly at: number; readonly ms: number; readonly by: number }
  | { readonly fault: 'outage'; readonly engine: Engine; readonly at: number; readonly ms: number }
  /** The clock of an engine jumps. */
  | { readonly fault: 'jump'; readonly engine: Engine; readonly at: number; readonly ms: number }
  /** A copy of ledgers is made; after so long it is restored, while everybody is stopped. */
  | { readonly fault: 'restore'; readonly of: 'orders' | 'tally' | 'both'; readonly at: number; readonly ms: number }
  /** The partition plan becomes larger, and the processes are stopped and started one after the other, to go on by it. */
  | { readonly fault: 'grow'; readonly at: number; readonly by: number }
  /** A newer version, with higher folds, takes the place of the older one, process after process: so long lies between two of them. */
  | { readonly fault: 'raise'; readonly at: number; readonly apartMs: number }
  /** The group forgets its members: partitions move. */
  | { readonly fault: 'move'; readonly at: number }

export interface Plan {
  readonly seed: number
  readonly processes: number
  readonly partitions: number
  /** Of ten wake-ups so many get lost. */
  readonly deaf: number
  /** Between the clocks of two processes, in milliseconds. */
  readonly skewMs: number
  /** In the end somebody looks at the parked keys until none is left. */
  readonly clears: boolean
  readonly decisions: readonly (Step | Fault)[]
}

const targets: readonly (readonly [Engine, string | undefined])[] = [
  ['orders', 'append'],
  ['orders', 'append'],
  ['tally', 'append'],
  ['tally', 'append'],
  ['bus', 'send'],
  ['bus', 'send'],
  ['tally', 'commit'],
  ['orders', 'mark sent'],
  ['orders', undefined],
  ['tally', undefined],
  ['bus', undefined],
]

function ask(random: Random, index: number, processes: number, span: number): Step {
  const streams = random.pick([1, 2, 4])
  return {
    step: 'ask',
    at: random.below(span),
    process: random.below(processes),
    id: `m${index}`,
    rule: random.pick(['note', 'note', 'bump', 'bump', 'place', 'settle', 'settle', 'schedule', 'schedule', 'cancel', 'pair'] as const),
    order: `o${random.below(streams)}`,
    other: `o${random.below(4)}`,
    value: random.chance(0.03) ? 'poison' : random.pick(['red', 'green', 'blue']),
    ms: random.pick([0, 500, 3_000, 15_000]),
  }
}

function intake(random: Random, index: number, processes: number, span: number): Step {
  return {
    step: 'intake',
    at: random.below(span),
    process: random.below(processes),
    id: `i${index}`,
    key: random.pick(['k1', 'k2', 'k3', 'k4']),
    text: random.chance(0.05) ? 'poison' : 'sound',
    times: random.pick([1, 1, 2]),
  }
}

function fault(random: Random, processes: number, span: number): Fault {
  const process = random.below(processes)
  const at = random.below(span)
  const engine = random.pick(['orders', 'tally', 'bus'] as const)
  switch (
    random.pick(['crash', 'crash', 'crash', 'cut', 'cut', 'cut', 'cut', 'freeze', 'stop', 'slow', 'outage', 'jump', 'move'] as const)
  ) {
    case 'crash':
      return {
        fault: 'crash',
        process,
        request: random.below(random.pick([40, 400])),
        done: random.chance(0.5),
        downMs: random.between(10, 15_000),
      }
    case 'cut': {
      const [target, what] = random.pick(targets)
      const how = random.pick(['request', 'reply', 'reply', 'late', 'twice', ...(target === 'bus' ? (['torn'] as const) : [])] as const)
      return { fault: 'cut', process, at, engine: target, what, how, ms: random.pick([5, 200, 5_000]) }
    }
    case 'freeze':
      return { fault: 'freeze', process, at, ms: random.between(500, 25_000) }
    case 'stop':
      return { fault: 'stop', process, at, downMs: random.between(10, 5_000) }
    case 'slow':
      return { fault: 'slow', process, at, ms: random.between(500, 8_000), by: random.pick([20, 300]) }
    case 'outage':
      return { fault: 'outage', engine, at, ms: random.between(100, 8_000) }
    case 'jump':
      return { fault: 'jump', engine, at, ms: random.pick([-60_000, -1_500, 1_500, 30_000, 600_000]) }
    case 'move':
      return { fault: 'move', at }
  }
}

const restore = (random: Random, span: number): Fault => ({
  fault: 'restore',
  of: random.pick(['orders', 'tally', 'both'] as const),
  at: random.below(span),
  ms: stoppedMs + random.below(span),
})

const grow = (random: Random, span: number): Fault => ({ fault: 'grow', at: random.below(span), by: random.between(1, 3) })

const raise = (random: Random, span: number): Fault => ({
  fault: 'raise',
  at: random.below(span),
  apartMs: random.pick([100, 700, 5_000]),
})

/** What a seed stands for: who does what when, and what goes wrong. */
export function planOf(seed: number): Plan {
  const random = new Random(seed)
  const processes = random.between(1, 3)
  const span = random.pick([300, 3_000, 12_000])
  const asks = Array.from({ length: random.between(4, 24) }, (_, index) => ask(random, index, processes, span))
  // The same message from two sides, and another one under its id
  const again = asks.flatMap((one): Step[] => {
    if (one.step !== 'ask' || !random.chance(0.2)) return []
    return [{ ...one, at: one.at + random.below(500), process: random.below(processes), ...(random.chance(0.3) ? { value: 'other' } : {}) }]
  })
  const intakes = Array.from({ length: random.between(0, 8) }, (_, index) => intake(random, index, processes, span))
  const looks = Array.from(
    { length: random.pick([0, 0, 1, 3]) },
    (_, index): Step => ({
      step: 'operate',
      at: random.below(span),
      process: random.below(processes),
      id: `l${index}`,
    }),
  )
  const faults = Array.from({ length: random.between(0, 9) }, () => fault(random, processes, span))
  const [partitions, deaf, clears] = [random.between(1, 3), random.pick([0, 2, 10]), random.chance(0.5)]
  const restores = Array.from({ length: random.pick([0, 0, 0, 0, 0, 0, 0, 0, 1, 2]) }, () => restore(random, span))
  const skewMs = random.pick([0, 600_000])
  // Not beside a restore: see docs/guarantees.md
  const grows = restores.length === 0 && random.chance(0.15) ? [grow(random, span)] : []
  const raises = random.chance(0.15) ? [raise(random, span)] : []
  const decisions = [...asks, ...again, ...intakes, ...looks, ...faults, ...restores, ...grows, ...raises]
  return { seed, processes, partitions, deaf, skewMs, clears, decisions }
}
