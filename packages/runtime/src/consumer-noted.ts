import type { Clock, StoredRecord } from '@rondo/bus'
import { type KnownBy, knownBy } from '@rondo/contracts/cloudevents'
import type { Checkpoint, Ledger } from '@rondo/ledger'
import { unlessAborted } from './abort.ts'
import { isTemporary } from './consumer-failure.ts'
import { inItsPlace, submitNoted } from './consumer-unit.ts'
import type { Turn } from './in-flight.ts'
import { type Interest, isIntake, type ReactionTable } from './reaction-table.ts'
import { keepsSpans } from './telemetry.ts'

/*
 * Most intake that a service reads has no effect in it, and yet is known by its id from then on: the first content under an id stands
 * in each service, whatever comes under it later. Nothing of what it says has to be looked at for that, and it is written together.
 */

/** A record without an effect, by what it is known. */
export interface Noticed {
  readonly record: StoredRecord
  readonly position: number
  readonly knownBy: KnownBy
  /** Undefined: none at all; else the service tells senders what became of it. */
  readonly interest: Interest | undefined
}

/** Undefined: it has to be read. Whoever keeps spans has one for the handling of each record. */
export function noticed(topic: string, record: StoredRecord, { interests }: ReactionTable): Noticed | undefined {
  const known = isIntake(topic) && !keepsSpans() ? knownBy(record) : undefined
  if (!known) return undefined
  const interest = interests.get(known.type)
  if (interest && interest.reactions.length + interest.projections.length > 0) return undefined
  return { record, position: Number(record.offset) + 1, knownBy: known, interest }
}

/** Of one statement, at most. */
const most = 500

/** What stands next to each other and can be written together; all else by itself. */
export function runsOf<Other extends object>(waiting: readonly (Noticed | Other)[]): readonly (readonly Noticed[] | Other)[] {
  const runs: (Noticed[] | Other)[] = []
  for (const one of waiting) {
    const last = runs.at(-1)
    if (!('knownBy' in one)) runs.push(one)
    else if (Array.isArray(last) && last.length < most) last.push(one)
    else runs.push([one])
  }
  return runs
}

/**
 * Milliseconds that a partition rests after records which only tell senders that they were read: nobody waits for them, and what comes
 * meanwhile costs one fetch and one statement instead of many.
 */
const restMs = 100
/** So many at once are as many as a fetch may bring: there may be more of them already. */
export const plenty = 200

/** Shorter where the partition is taken away. */
export const rest = (clock: Pick<Clock, 'after'>, signal: AbortSignal): Promise<void> =>
  unlessAborted(signal, (done) => clock.after(restMs, done))

export interface NotingParts {
  readonly ledger: Ledger
  count(outcome: string, records: number): void
  isParked(key: string): boolean
  /** Others were ahead, and may have parked keys meanwhile: what follows under those has to wait. */
  learnParked(): Promise<void>
  /** Whatever becomes of a record that is applied by itself. */
  apply(noticed: Noticed, checkpoint: Checkpoint, turn: Turn): Promise<void>
}

/** Notes all of them together; one by one where one of them has another content than was known, or waits behind its key. */
export async function note(parts: NotingParts, run: readonly Noticed[], checkpoint: Checkpoint, turn: Turn): Promise<void> {
  const { ledger, count } = parts
  if (!run.some(({ record }) => parts.isParked(record.key))) {
    const ids = run.map(({ knownBy: { id, hash } }) => ({ id, hash }))
    try {
      const { duplicate, repeated = 0 } = await inItsPlace(turn, () => submitNoted(ledger, ids, checkpoint, turn))
      const again = duplicate ? run.length : repeated
      if (again > 0) await parts.learnParked()
      if (again > 0) count('duplicate', again)
      if (run.length > again) count('applied', run.length - again)
      return
    } catch (error) {
      if (isTemporary(error)) throw error
    }
  }
  await turn.ahead.settled
  let { previous } = checkpoint
  for (const one of run) {
    const { position, record } = one
    await parts.apply(one, { ...checkpoint, previous, position, nextOffset: record.offset + 1n }, turn)
    previous = position
  }
}
