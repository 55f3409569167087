import { DomainError, type Envelope } from '@rondo/kernel'
import type { Database } from './database.ts'
import { CheckpointGap, NotParked, reaching } from './failure.ts'
import type { Checkpoint } from './port.ts'

/** Records stored behind one parked key; above it the partition has to pause. */
const maxWaiting = 1_000
const maxReason = 4_000

export interface ParkedRecord {
  readonly source: string
  readonly partition: number
  readonly key: string
  readonly position: number
  readonly event: Envelope
  /** Of intake: the hash that it is known by, once it was applied. */
  readonly hash?: string
}

/**
 * Stores the record behind its key and moves the checkpoint. False: it is intake that was delivered before, and applied, or waits there
 * already; only the checkpoint moves. Refuses `unavailable` where too many wait.
 */
export async function park(
  { store }: Database,
  { key, event, reason, hash }: { key: string; event: Envelope; reason: string; hash?: string | undefined },
  checkpoint: Checkpoint,
): Promise<boolean> {
  const { source, partition, previous, position } = checkpoint
  return reaching(
    store.transaction('head', async (tx) => {
      const stored = (await tx.checkpoint(source, partition))?.position
      if (stored !== undefined && position <= stored) return true
      if (stored === undefined ? previous > 0 : previous !== stored) throw new CheckpointGap(source, partition, stored, previous)
      // A larger plan has moved the stream, perhaps: what follows of it waits behind the same key, in the order of positions
      const parkedIn = hash === undefined ? await tx.parkedPartition(source, key) : undefined
      const name = { source, partition: parkedIn ?? partition, key }
      if (hash !== undefined && (await tx.isDelivered(name, { id: event.id, hash }))) {
        await tx.moveCheckpoint(checkpoint)
        return false
      }
      await tx.insertParkedKey(name, reason.slice(0, maxReason))
      if ((await tx.countParked(name)) >= maxWaiting) {
        throw new DomainError(
          'unavailable',
          `${maxWaiting} records wait behind the parked key ${key} of ${source}: retry or skip it first`,
          { parked: key },
        )
      }
      await tx.insertParked({ ...name, position, event, ...(hash === undefined ? {} : { hash }) })
      await tx.moveCheckpoint(checkpoint)
      return true
    }),
  )
}

/** Leaves a record out, with who decided so and why; the key goes with its last record. Rejects with `NotParked` where it does not wait. */
export async function skip({ store }: Database, record: ParkedRecord, by: { readonly actor: string; readonly why: string }): Promise<void> {
  await reaching(
    store.transaction(record, async (tx) => {
      if (!(await tx.removeParked(record))) throw new NotParked(record)
      await tx.noteSkipped(record, by)
      await tx.removeKeyIfEmpty(record)
    }),
  )
}
