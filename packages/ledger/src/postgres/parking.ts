import { together } from '@rondo/bus'
import type { Envelope } from '@rondo/kernel'
import type pg from 'pg'
import { lostToAnother } from '../failure.ts'
import type { ParkedRecord } from '../parking.ts'
import type { ParkedKey, Retried } from '../port.ts'
import type { Lost, Parking, Transaction } from '../store.ts'
import { type Queryable, type Schema, transaction } from './connection.ts'

const at = 'instant(clock_timestamp())'

/** The hash lies in the event's document. */
type StoredEvent = Envelope & { readonly parkedHash?: string | undefined }

const parkedKeysText = `
  select source, partition, key, reason, since,
    (select count(*)::int from parked_record r where (r.source, r.partition, r.key) = (k.source, k.partition, k.key)) as waiting
  from parked_key k order by since, source, partition, key`

/** Each partition asks when it begins: all of a process at once, which is one statement. */
const parkedKeysOf = (pool: Queryable) =>
  together(async (asked: readonly 'all'[]) => {
    const { rows } = await pool.query<ParkedKey>(parkedKeysText)
    return new Map(asked.map((all) => [all, rows]))
  })

export function parking({ pool }: Schema): Parking {
  const parkedKeys = parkedKeysOf(pool)
  return {
    parkedKeys: async () => (await parkedKeys.find('all')) ?? [],
    async isParked({ source, partition, key }) {
      const { rowCount } = await pool.query(
        "select from parked_key where split_part(source, '#', 1) = split_part($1, '#', 1) and partition = coalesce($2, partition) and key = $3 limit 1",
        [source, partition, key],
      )
      return rowCount === 1
    },
    async parkedRecords({ source, partition, key }) {
      const { rows } = await pool.query<Omit<ParkedRecord, 'position' | 'event'> & { position: string; event: StoredEvent }>(
        'select source, partition, key, position, event from parked_record where (source, partition, key) = ($1, $2, $3) order by parked_record.position',
        [source, partition, key],
      )
      return rows.map(({ event: { parkedHash: hash, ...event }, ...row }) => ({
        ...row,
        position: Number(row.position),
        event,
        ...(hash === undefined ? {} : { hash }),
      }))
    },
    async wasApplied({ source, partition, key, position }) {
      const { rowCount } = await pool.query(
        `select from parked_decision where (source, partition, key, position, decision) = ($1, $2, $3, $4, 'applied') limit 1`,
        [source, partition, key, position],
      )
      return rowCount === 1
    },
    transaction: (lock, work) =>
      transaction(pool, async (client) => {
        if (lock === 'head') await client.query('select from head for update')
        else
          await client.query('select from parked_key where (source, partition, key) = ($1, $2, $3) for update', [
            lock.source,
            lock.partition,
            lock.key,
          ])
        return work(statements(client))
      }),
  }
}

const retried =
  'jsonb_to_recordset($1) as mine(source text, partition int, key text, position bigint, "eventId" text, actor text, why text)'

/**
 * In the transaction that applies them, behind its statement: the head row is locked, as whoever parks has it. Then the keys, as whoever
 * skips has them, and only then the records. Rejects as `append` does where one does not wait any more.
 */
export async function takeAway(client: Queryable, records: readonly Retried[]): Promise<void> {
  const values = [JSON.stringify(records)]
  await client.query(
    `select from parked_key where (source, partition, key) in (select source, partition, key from ${retried}) order by source, partition, key for update`,
    values,
  )
  const { rows } = await client.query<{ lost: NonNullable<Lost['parked']> | null }>(
    `with mine as (select * from ${retried}), gone as (
       delete from parked_record r using mine where (r.source, r.partition, r.key, r.position) = (mine.source, mine.partition, mine.key, mine.position)
       returning r.source, r.partition, r.key, r.position
     ), noted as (
       insert into parked_decision (at, actor, decision, why, source, partition, key, position, event_id)
       select ${at}, actor, 'applied', why, source, partition, key, position, "eventId" from mine join gone using (source, partition, key, position)
     )
     select jsonb_agg(jsonb_build_array(source, partition, key, position)) as lost
     from mine left join gone using (source, partition, key, position) where gone is null`,
    values,
  )
  const lost = rows[0]?.lost
  if (lost) throw lostToAnother({ parked: lost })
  await client.query(
    `delete from parked_key k using ${retried} where (k.source, k.partition, k.key) = (mine.source, mine.partition, mine.key)
     and not exists (select from parked_record r where (r.source, r.partition, r.key) = (k.source, k.partition, k.key))`,
    values,
  )
}

function statements(client: pg.PoolClient): Transaction {
  const run = async (text: string, values: readonly unknown[]) => {
    await client.query(text, [...values])
  }
  return {
    async checkpoint(source, partition) {
      const { rows } = await client.query<{ position: string }>('select position from checkpoint where source = $1 and partition = $2', [
        source,
        partition,
      ])
      return rows[0] && { position: Number(rows[0].position) }
    },
    moveCheckpoint: ({ source, partition, position, nextOffset }) =>
      run(
        `insert into checkpoint values ($1, $2, $3, $4, ${at})
         on conflict (source, partition) do update set (position, next_offset, moved_at) = (excluded.position, excluded.next_offset, excluded.moved_at)`,
        [source, partition, position, String(nextOffset)],
      ),
    async parkedPartition(source, key) {
      const { rows } = await client.query<{ partition: number }>(
        'select partition from parked_key where source = $1 and key = $2 order by partition limit 1',
        [source, key],
      )
      return rows[0]?.partition
    },
    insertParkedKey: ({ source, partition, key }, reason) =>
      run(`insert into parked_key values ($1, $2, $3, $4, ${at}) on conflict do nothing`, [source, partition, key, reason]),
    async countParked({ source, partition, key }) {
      const { rows } = await client.query<{ count: number }>(
        'select count(*)::int as count from parked_record where (source, partition, key) = ($1, $2, $3)',
        [source, partition, key],
      )
      return rows[0]?.count ?? 0
    },
    async isDelivered({ source, partition, key }, { id, hash }) {
      const { rowCount } = await client.query(
        `select from message where id = $4 and hash = $5 union all
         select from parked_record where (source, partition, key) = ($1, $2, $3) and event->>'id' = $4 and event->>'parkedHash' = $5 limit 1`,
        [source, partition, key, id, hash],
      )
      return rowCount === 1
    },
    insertParked: ({ source, partition, key, position, event, hash }) =>
      run('insert into parked_record values ($1, $2, $3, $4, $5) on conflict do nothing', [
        source,
        partition,
        key,
        position,
        JSON.stringify({ ...event, parkedHash: hash } satisfies StoredEvent),
      ]),
    async removeParked({ source, partition, key, position }) {
      const { rowCount } = await client.query('delete from parked_record where (source, partition, key, position) = ($1, $2, $3, $4)', [
        source,
        partition,
        key,
        position,
      ])
      return rowCount === 1
    },
    removeKeyIfEmpty: ({ source, partition, key }) =>
      run(
        `delete from parked_key where (source, partition, key) = ($1, $2, $3)
         and not exists (select from parked_record where (source, partition, key) = ($1, $2, $3))`,
        [source, partition, key],
      ),
    noteSkipped: ({ source, partition, key, position, event }, { actor, why }) =>
      run(
        `insert into parked_decision (at, actor, decision, why, source, partition, key, position, event_id)
         values (${at}, $1, 'skipped', $2, $3, $4, $5, $6, $7)`,
        [actor, why, source, partition, key, position, event.id],
      ),
    noteGap: ({ checkpoint: { source, partition, nextOffset }, wanted, actor, why }) =>
      run(`insert into accepted_gap (at, actor, why, source, partition, wanted, next_offset) values (${at}, $1, $2, $3, $4, $5, $6)`, [
        actor,
        why,
        source,
        partition,
        String(wanted),
        String(nextOffset),
      ]),
  }
}
