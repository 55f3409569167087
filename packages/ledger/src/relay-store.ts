import type { Envelope } from '@rondo/kernel'
import type { Database } from './database.ts'
import { type EnvelopeRow, envelopeColumns, toEnvelope } from './storage.ts'

/** How long a holder that says nothing keeps the lease. */
const leaseSeconds = 10

export interface Chained {
  readonly event: Envelope
  /** The position before it in its partition; 0: none. */
  readonly previous: number
}

export interface Standing {
  readonly position: number
  readonly epoch: number
  /** The last position in each partition. */
  readonly tails: readonly number[]
}

/** Takes or keeps the lease; up to where everything was sent, or undefined where another one holds it. */
export async function holdLease({ pool }: Database, topic: string, holder: string): Promise<number | undefined> {
  const { rows } = await pool.query<{ position: string }>(
    `insert into relay as r (topic, position, holder, held_until) values ($1, 0, $2, clock_timestamp() + make_interval(secs => $3))
     on conflict (topic) do update set (holder, held_until) = (excluded.holder, excluded.held_until)
       where r.holder is null or r.holder = excluded.holder or r.held_until < clock_timestamp()
     returning position`,
    [topic, holder, leaseSeconds],
  )
  return rows[0] && Number(rows[0].position)
}

/** Everything up to the position was sent; false where the lease was lost meanwhile (what was sent twice does no harm). */
export async function sent({ pool }: Database, topic: string, holder: string, position: number): Promise<boolean> {
  const { rows } = await pool.query<{ kept: boolean }>(
    `update relay set position = greatest(position, $3), held_until = case when holder = $2 then clock_timestamp() + make_interval(secs => $4) else held_until end
     where topic = $1 returning holder = $2 as kept`,
    [topic, holder, position, leaseSeconds],
  )
  return rows[0]?.kept ?? false
}

export async function leaveLease({ pool }: Database, topic: string, holder: string): Promise<void> {
  await pool.query('update relay set holder = null where topic = $1 and holder = $2', [topic, holder])
}

export async function standing({ pool }: Database): Promise<Standing> {
  const { rows } = await pool.query<{ position: string; epoch: number; tails: string[] }>('select position, epoch, tails from head')
  const [row] = rows
  if (!row) throw new Error('the ledger has no head')
  return { position: Number(row.position), epoch: row.epoch, tails: row.tails.map(Number) }
}

/** In position order, each with what stands before it in its partition; none where the epoch is another one. */
export async function chainedAfter(
  { pool }: Database,
  position: number,
  limit: number,
  epoch: number,
): Promise<{ readonly batch: readonly Chained[]; readonly epoch: number }> {
  const { rows } = await pool.query<EnvelopeRow & { previous: string; now: number }>(
    `select ${envelopeColumns}, previous, (select epoch from head) as now from event where position > $1 order by position limit $2`,
    [position, limit],
  )
  const now = rows[0]?.now ?? epoch
  const batch = now === epoch ? rows.map(({ previous, now: _, ...row }) => ({ event: toEnvelope(row), previous: Number(previous) })) : []
  return { batch, epoch: now }
}

/** After a restore of an older backup: what is appended from now on belongs to a new epoch. Resolves with it. */
export async function raiseEpoch({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ epoch: number }>('update head set epoch = epoch + 1 returning epoch')
  return rows[0]?.epoch ?? 1
}
