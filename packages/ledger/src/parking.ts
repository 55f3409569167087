import { DomainError, type Envelope } from '@rondo/kernel'
import { type Database, transaction } from './database.ts'
import { CheckpointGap, reaching } from './failure.ts'
import type { Checkpoint, ParkedKey } from './port.ts'

/** Records stored behind one parked key; above it the partition has to pause. */
const maxWaiting = 1_000

export interface ParkedRecord {
  readonly source: string
  readonly partition: number
  readonly key: string
  readonly position: number
  readonly event: Envelope
}

/** Stores the record behind its key and moves the checkpoint. Refuses `unavailable` where too many wait already. */
export async function park(
  { pool }: Database,
  { key, event, reason }: { key: string; event: Envelope; reason: string },
  checkpoint: Checkpoint,
): Promise<void> {
  const { source, partition, previous, position, nextOffset } = checkpoint
  await reaching(
    transaction(pool, async (client) => {
      // The head row's lock: all who move a checkpoint hold it
      await client.query('select from head for update')
      const { rows } = await client.query<{ position: string }>('select position from checkpoint where source = $1 and partition = $2', [
        source,
        partition,
      ])
      const stored = rows[0] && Number(rows[0].position)
      if (stored !== undefined && position <= stored) return
      if (stored === undefined ? previous > 0 : previous !== stored) throw new CheckpointGap(source, partition, stored, previous)
      const at = 'instant(clock_timestamp())'
      await client.query(`insert into parked_key values ($1, $2, $3, $4, ${at}) on conflict do nothing`, [
        source,
        partition,
        key,
        reason.slice(0, 4_000),
      ])
      const waiting = await client.query<{ count: number }>(
        'select count(*)::int as count from parked_record where (source, partition, key) = ($1, $2, $3)',
        [source, partition, key],
      )
      if ((waiting.rows[0]?.count ?? 0) >= maxWaiting) {
        throw new DomainError(
          'unavailable',
          `${maxWaiting} records wait behind the parked key ${key} of ${source}: retry or skip it first`,
          { parked: key },
        )
      }
      await client.query('insert into parked_record values ($1, $2, $3, $4, $5) on conflict do nothing', [
        source,
        partition,
        key,
        position,
        JSON.stringify(event),
      ])
      await client.query(
        `insert into checkpoint values ($1, $2, $3, $4, ${at})
         on conflict (source, partition) do update set (position, next_offset, moved_at) = (excluded.position, excluded.next_offset, excluded.moved_at)`,
        [source, partition, position, String(nextOffset)],
      )
    }),
  )
}

export async function parkedKeys({ pool }: Database): Promise<readonly ParkedKey[]> {
  const { rows } = await reaching(
    pool.query<ParkedKey>(`
      select source, partition, key, reason, since,
        (select count(*)::int from parked_record r where (r.source, r.partition, r.key) = (k.source, k.partition, k.key)) as waiting
      from parked_key k order by since, source, partition, key`),
  )
  return rows
}

export async function isParked({ pool }: Database, source: string, partition: number, key: string): Promise<boolean> {
  const { rowCount } = await reaching(
    pool.query('select from parked_key where (source, partition, key) = ($1, $2, $3)', [source, partition, key]),
  )
  return rowCount === 1
}

/** What waits behind a key, oldest first. */
export async function parkedRecords(
  { pool }: Database,
  { source, partition, key }: Pick<ParkedKey, 'source' | 'partition' | 'key'>,
): Promise<readonly ParkedRecord[]> {
  const { rows } = await reaching(
    pool.query<Omit<ParkedRecord, 'position'> & { position: string }>(
      'select source, partition, key, position, event from parked_record where (source, partition, key) = ($1, $2, $3) order by parked_record.position',
      [source, partition, key],
    ),
  )
  return rows.map((row) => ({ ...row, position: Number(row.position) }))
}

/** Takes the oldest record of the key away, with who decided so and why; the key goes with its last record. */
export async function unpark(
  { pool }: Database,
  { source, partition, key, position, event }: ParkedRecord,
  by: { readonly decision: 'applied' | 'skipped'; readonly actor: string; readonly why: string },
): Promise<void> {
  await reaching(
    transaction(pool, async (client) => {
      await client.query('select from parked_key where (source, partition, key) = ($1, $2, $3) for update', [source, partition, key])
      const { rowCount } = await client.query('delete from parked_record where (source, partition, key, position) = ($1, $2, $3, $4)', [
        source,
        partition,
        key,
        position,
      ])
      if (rowCount !== 1) throw new DomainError('not_found', `no record ${position} waits behind ${key} of ${source}`)
      await client.query(
        `insert into parked_decision (at, actor, decision, why, source, partition, key, position, event_id)
         values (instant(clock_timestamp()), $1, $2, $3, $4, $5, $6, $7, $8)`,
        [by.actor, by.decision, by.why, source, partition, key, position, event.id],
      )
      await client.query(
        `delete from parked_key where (source, partition, key) = ($1, $2, $3)
         and not exists (select from parked_record where (source, partition, key) = ($1, $2, $3))`,
        [source, partition, key],
      )
    }),
  )
}
