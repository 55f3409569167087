import { setTimeout as pause } from 'node:timers/promises'
import type { Line, Toxic } from '@rondo/testkit/launch'
import { dealt, type Random } from './random.ts'
import { count, type Stage } from './stage.ts'

interface Hurt {
  readonly name: string
  readonly hurt: (line: Line, random: Random) => Promise<void>
  /** What was held back never arrives. */
  readonly dead: boolean
}

const both = (toxic: Omit<Toxic, 'stream'>): readonly Toxic[] => [
  { ...toxic, stream: 'upstream' },
  { ...toxic, stream: 'downstream' },
]
const silent = { type: 'timeout', attributes: { timeout: 0 } } as const

const hurts: readonly Hurt[] = [
  { name: 'cut', dead: false, hurt: (line) => line.cut() },
  {
    name: 'latency',
    dead: false,
    hurt: (line, random) => line.poison(...both({ type: 'latency', attributes: { latency: 100 + random.below(400), jitter: 100 } })),
  },
  { name: 'slow close', dead: false, hurt: (line) => line.poison(...both({ type: 'slow_close', attributes: { delay: 3000 } })) },
  { name: 'half-open', dead: true, hurt: (line) => line.poison(...both(silent)) },
  // The work is done, and nobody hears of it
  { name: 'one direction (no replies)', dead: true, hurt: (line) => line.poison({ ...silent, stream: 'downstream' }) },
  { name: 'one direction (no requests)', dead: true, hurt: (line) => line.poison({ ...silent, stream: 'upstream' }) },
  { name: 'late delivery', dead: false, hurt: (line) => line.poison(...both(silent)) },
]

/** A line of those whose name begins so, hurt for some seconds. */
export function hurtLines(random: Random): (between: string) => (stage: Stage) => Promise<void> {
  const next = dealt(hurts, random.fork('hurts'))
  return (between) => async (stage) => {
    const { engines } = stage
    if ('missing' in engines.network) return
    const line = random.pick(engines.network.lines.filter(({ name }) => name.startsWith(`${between}-`) || name === between))
    const { name, hurt, dead } = next()
    await hurt(line, random)
    try {
      await pause(2000 + random.below(6000))
    } finally {
      await line.mend({ dead })
    }
    count(stage, `network, ${between}: ${name}`)
  }
}
