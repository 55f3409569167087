import type pg from 'pg'
import { type Schema, transaction } from './connection.ts'

/** Keys filled in one transaction. */
const chunk = 1_000

interface Place {
  readonly stream: string
  readonly name: string
  readonly value: string
  readonly id: string
}

/**
 * Gives the keys that were stored before version 6 of the schema their place in the order of lists. A page at a time, beside all that goes
 * on; any number may run it at once, and one that was ended is begun anew.
 */
export async function orderKeys({ pool, service, log }: Schema): Promise<void> {
  const { rows } = await pool.query<{ done: boolean }>('select keys_in_order as done from head')
  if (rows[0]?.done) return
  let filled = 0
  for (let after: Place | undefined = { stream: '', name: '', value: '', id: '' }; after; ) {
    const from: Place = after
    const page = await transaction(pool, (client) => fill(client, from))
    filled += page.filled
    after = page.next
  }
  await pool.query('update head set keys_in_order = true')
  if (filled > 0) log.info({ service, filled }, 'keys put in the order of lists')
}

/** As an append does, holds the head row before it touches keys. */
async function fill(client: pg.PoolClient, { stream, name, value, id }: Place): Promise<{ filled: number; next: Place | undefined }> {
  await client.query('select from head for update')
  const { rows } = await client.query<Place & { empty: boolean }>(
    `select stream, name, value, id, first_at is null as empty from stream_key where (stream, name, value, id) > ($1, $2, $3, $4)
     order by stream, name, value, id limit $5`,
    [stream, name, value, id, chunk],
  )
  const empty = rows.filter((row) => row.empty)
  if (empty.length > 0) {
    await client.query(
      `update stream_key k set first_at = s.first_at
       from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as mine(stream, name, value, id)
       join stream s on s.key = mine.stream || '/' || mine.id
       where (k.stream, k.name, k.value, k.id) = (mine.stream, mine.name, mine.value, mine.id)`,
      [empty.map((row) => row.stream), empty.map((row) => row.name), empty.map((row) => row.value), empty.map((row) => row.id)],
    )
  }
  return { filled: empty.length, next: rows.length < chunk ? undefined : rows.at(-1) }
}
