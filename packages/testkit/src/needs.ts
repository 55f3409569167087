import { beforeAll, beforeEach, inject } from 'vitest'
import { type Controlled, type EngineName, type Found, isMissing, whyMissing } from './engine.ts'
import { launchers } from './launch.ts'
import { launchKafkaNodes } from './local/kafka.ts'
import type {} from './vitest-setup.ts'

/** The engine of this run; throws with the reason when it could not be had (guard with `needs`). */
export function engine(name: EngineName): Found {
  const found = inject('rondoEngines')[name]
  if (isMissing(found)) throw new Error(whyMissing(name, found))
  return found
}

/** `host:port[,host:port]` of the run's Kafka. */
export const kafka = (): string => engine('kafka').address

/** The URL of the run's Redis. */
export const redis = (): string => engine('redis').address

export interface Needs {
  readonly met: boolean
  /** As vitest's (milliseconds), but not run when the tests are skipped. */
  beforeAll(prepare: () => Promise<void>, within?: number): void
}

/**
 * Called in a file or a `describe`: its tests are skipped, the reason shown by the reporter, unless each engine (or file) is there.
 * What else is missing can be told too: `needs('kafka', { also: sharedMissing('cases') })`.
 */
export function needs(...wanted: readonly (EngineName | { readonly also: string | undefined })[]): Needs {
  const reasons = wanted.flatMap((want) => {
    if (typeof want !== 'string') return want.also === undefined ? [] : [want.also]
    const found = inject('rondoEngines')[want]
    return isMissing(found) ? [whyMissing(want, found)] : []
  })
  const met = reasons.length === 0
  if (!met) beforeEach((context) => context.skip(reasons.join('\n')))
  return {
    met,
    beforeAll(prepare, within) {
      if (met) beforeAll(prepare, within)
    },
  }
}

/**
 * An engine for this test alone, which it may stop, kill or freeze: the run's engines are everybody's.
 * The test stops it (what it forgets is stopped at the end of the run). Always a process of this machine.
 */
export const ownEngine = (name: EngineName): Promise<Controlled> => launchers[name](inject('rondoRunFolder'))

/** Three brokers for this test alone: three copies of each topic, at least two in sync. */
export const ownBrokers = (): Promise<readonly Controlled[]> => launchKafkaNodes(inject('rondoRunFolder'), 3)
