import type { Database } from './database.ts'
import { CheckpointGap, reaching } from './failure.ts'
import type { Checkpoint } from './port.ts'

export interface AcceptedGap {
  readonly checkpoint: Checkpoint
  /** The offset that was wanted and is not there. */
  readonly wanted: bigint
  readonly actor: string
  readonly why: string
}

/** Moves the checkpoint over records that are lost, with who decided so and why. Compare-and-set, as any checkpoint. */
export async function acceptGap({ store }: Database, gap: AcceptedGap): Promise<void> {
  const { source, partition, previous } = gap.checkpoint
  await reaching(
    store.transaction('head', async (tx) => {
      // Where nothing was read yet there is no row
      const stored = (await tx.checkpoint(source, partition))?.position
      if ((stored ?? 0) !== previous) throw new CheckpointGap(source, partition, stored, previous)
      await tx.moveCheckpoint(gap.checkpoint)
      await tx.noteGap(gap)
    }),
  )
}
