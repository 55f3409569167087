import { type Database, transaction } from './database.ts'
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
export async function acceptGap({ pool }: Database, { checkpoint, wanted, actor, why }: AcceptedGap): Promise<void> {
  const { source, partition, previous, position, nextOffset } = checkpoint
  await reaching(
    transaction(pool, async (client) => {
      // The head row's lock: all who move a checkpoint hold it
      await client.query('select from head for update')
      const { rowCount } = await client.query(
        // Where nothing was read yet there is no row
        `insert into checkpoint as c select $1, $2, $4, $5, instant(clock_timestamp())
         where $3 = 0 or exists (select from checkpoint where source = $1 and partition = $2)
         on conflict (source, partition) do update
           set (position, next_offset, moved_at) = (excluded.position, excluded.next_offset, excluded.moved_at) where c.position = $3`,
        [source, partition, previous, position, String(nextOffset)],
      )
      if (rowCount !== 1) throw new CheckpointGap(source, partition, undefined, previous)
      await client.query(
        `insert into accepted_gap (at, actor, why, source, partition, wanted, next_offset)
         values (instant(clock_timestamp()), $1, $2, $3, $4, $5, $6)`,
        [actor, why, source, partition, String(wanted), String(nextOffset)],
      )
    }),
  )
}
