import type { Instant } from '@rondo/kernel'
import type pg from 'pg'
import type { ArchiveReader } from '../archive/reader.ts'
import type { AppendRows, KnownMessage, LoadedRows, Store, Written } from '../store.ts'
import { streamEvents } from './archived.ts'
import { type Queryable, type Schema, sqlOf, transaction } from './connection.ts'

const json = (value: object | undefined): string | null => (value === undefined ? null : JSON.stringify(value))

async function call(queryable: Queryable, { streams, events, derived, intake }: AppendRows): Promise<Written> {
  const { rows } = await queryable.query<{ written: Written }>('select append($1, $2, $3, $4) as written', [
    json(streams),
    json(events),
    json(derived),
    json(intake),
  ])
  if (!rows[0]) throw new Error('append gave no row')
  return rows[0].written
}

async function one<Row extends pg.QueryResultRow>(pool: pg.Pool, text: string, values: readonly unknown[]): Promise<Row | undefined> {
  return (await pool.query<Row>(text, [...values])).rows[0]
}

export function writing(
  { pool }: Schema,
  archive: ArchiveReader,
): Pick<Store, 'load' | 'append' | 'findEvent' | 'findMessages' | 'forgetOld'> {
  return {
    async load({ streams, messages, chains }) {
      const row = await one<{ loaded: LoadedRows }>(pool, 'select load_batch($1, $2, $3, $4) as loaded', [
        streams,
        messages,
        chains.map(({ source }) => source),
        chains.map(({ partition }) => partition),
      ])
      if (!row) throw new Error('the load query gave no row')
      return row.loaded
    },
    /** One statement is the whole transaction, unless views are to be projected in it. */
    append(rows, project) {
      if (!project) return call(pool, rows)
      return transaction(pool, async (client) => {
        const written = await call(client, rows)
        await project(sqlOf(client), written)
        return written
      })
    },
    async findEvent({ id, stream, streamId, version }) {
      const row = await one<{ position: string; recordedAt: Instant }>(
        pool,
        'select position, recorded_at as "recordedAt" from event where stream = $1 and stream_id = $2 and version = $3 and id = $4',
        [stream, streamId, version, id],
      )
      if (row) return { position: Number(row.position), recordedAt: row.recordedAt }
      return (await streamEvents(pool, archive, { stream, id: streamId }, version - 1, version)).find((event) => event.id === id)
    },
    async findMessages(ids) {
      const { rows } = await pool.query<KnownMessage & { readonly id: string }>(
        'select id, hash, at, duplicates, conflicts from message where id = any($1)',
        [ids],
      )
      return new Map(rows.map(({ id, ...known }) => [id, known]))
    },
    async forgetOld(limit) {
      const { rowCount } = await pool.query(
        'delete from message where id in (select id from message where keep_until < instant(now()) order by keep_until limit $1)',
        [limit],
      )
      return rowCount ?? 0
    },
  }
}
