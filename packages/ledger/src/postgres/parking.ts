import type { Envelope } from '@rondo/kernel'
import type pg from 'pg'
import type { ParkedRecord } from '../parking.ts'
import type { ParkedKey } from '../port.ts'
import type { Parking, Transaction } from '../store.ts'
import { type Schema, transaction } from './connection.ts'

const at = 'instant(clock_timestamp())'

/** The hash lies in the event's document. */
type StoredEvent = Envelope & { readonly parkedHash?: string | undefined }

export function parking({ pool }: Schema): Parking {
  return {
    async parkedKeys() {
      const { rows } = await pool.query<ParkedKey>(`
        select source, partition, key, reason, since,
          (select count(*)::int from parked_record r where (r.source, r.partition, r.key) = (k.source, k.partition, k.key)) as waiting
        from parked_key k order by since, source, partition, key`)
      return rows
    },
    async isParked({ source, partition, key }) {
      const { rowCount } = await pool.query('select from parked_key where (source, partition, key) = ($1, $2, $3)', [
        source,
        partition,
        key,
      ])
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
    insertParkedKey: ({ source, partition, key }, reason) =>
      run(`insert into parked_key values ($1, $2, $3, $4, ${at}) on conflict do nothing`, [source, partition, key, reason]),
    async countParked({ source, partition, key }) {
      const { rows } = await client.query<{ count: number }>(
        'select count(*)::int as count from parked_record where (source, partition, key) = ($1, $2, $3)',
        [source, partition, key],
      )
      return rows[0]?.count ?? 0
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
    noteDecision: ({ source, partition, key, position, event }, { actor, decision, why }) =>
      run(
        `insert into parked_decision (at, actor, decision, why, source, partition, key, position, event_id)
         values (${at}, $1, $2, $3, $4, $5, $6, $7, $8)`,
        [actor, decision, why, source, partition, key, position, event.id],
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
