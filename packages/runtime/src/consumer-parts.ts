import type { Bus, Clock } from '@rondo/bus'
import type { Ledger } from '@rondo/ledger'
import type { Reading } from './consumer-unit.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { ReactionTable } from './reaction-table.ts'
import type { Service } from './service.ts'
import type { Spanning } from './spans.ts'

export interface Consuming {
  readonly service: Service
  readonly table: ReactionTable
  readonly ledger: Ledger
  readonly bus: Bus
  readonly log: Logger
  readonly metrics: Metrics
  readonly spanning: Spanning
  /** Absent: the real one. */
  readonly clock?: Clock
}

/** What is known of a partition's work beside its parts. */
export interface Working extends Consuming {
  readonly clock: Clock
  readonly reading: Reading
  /** Asks for a `store` soon. */
  readonly later: () => void
}

/**
 * Milliseconds that what was read and is of no interest may wait to be stored: most of what a service reads is, and a commit for each would
 * hold up what others wait for. Each replica pays for it by the time, not by the work: so it is long. Whoever is killed meanwhile reads it once
 * more.
 */
export const storedWithinMs = 1000
/** Intake of no interest of a partition that waits, at most: it is stored by its id, and holds what it was fetched with. */
export const mostWaiting = 64
