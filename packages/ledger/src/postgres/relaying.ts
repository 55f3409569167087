import type { EpochStart } from '../epoch.ts'
import type { Relaying } from '../store.ts'
import type { Schema } from './connection.ts'
import { type ChainedRow, chainColumns, envelopeColumns, toChained } from './rows.ts'
import { channelOf } from './waking.ts'

/** Named, as it follows each batch that is sent, and to plan it takes longer than to do it. */
const markText = `
  with softly as materialized (select set_config('synchronous_commit', 'off', true))
  update relay set position = greatest(position, $3), held_until = case when holder = $2 then clock_timestamp() + make_interval(secs => $4) else held_until end
  from softly where topic = $1 and position >= $5 and exists (select from event where event.position = $3 and event.id = $6)
  returning holder = $2 as kept, pg_notify($7, $3::text)`

export function relaying({ pool, service }: Schema): Relaying {
  return {
    async standing() {
      const { rows } = await pool.query<{ position: string; epoch: number; raised: EpochStart[]; tails: string[] }>(
        'select position, epoch, raised, tails from head',
      )
      const [row] = rows
      if (!row) throw new Error('the ledger has no head')
      return { position: Number(row.position), epoch: row.epoch, raised: row.raised, tails: row.tails.map(Number) }
    },
    async chainedAfter(position, limit, epoch) {
      const { rows } = await pool.query<ChainedRow & { now: number; marked: string | null }>(
        `select ${envelopeColumns}, ${chainColumns}, (select epoch from head) as now, (select max(position) from relay) as marked from event where position > $1 order by position limit $2`,
        [position, limit],
      )
      const [first] = rows
      const now = first?.now ?? epoch
      const batch = now === epoch ? rows.map(({ now: _, marked: __, ...row }) => toChained(row)) : []
      return { batch, epoch: now, marked: first ? Number(first.marked) : position }
    },
    async holdLease(topic, holder, seconds) {
      // Whoever stands by writes nothing: it asks more often than the one who holds it
      const { rows } = await pool.query<{ sent: string | null; head: string; epoch: number }>(
        `with softly as materialized (select set_config('synchronous_commit', 'off', true)),
           kept as (
             update relay set holder = $2, held_until = clock_timestamp() + make_interval(secs => $3)
             from softly where topic = $1 and (holder is null or holder = $2 or held_until < clock_timestamp())
             returning position),
           made as (
             insert into relay (topic, position, holder, held_until)
             select $1, 0, $2, clock_timestamp() + make_interval(secs => $3) from softly where not exists (select from relay where topic = $1)
             on conflict do nothing returning position)
         select coalesce((select position from kept), (select position from made)) as sent, position as head, epoch from head`,
        [topic, holder, seconds],
      )
      const [row] = rows
      if (!row) throw new Error('the ledger has no head')
      return { sent: row.sent === null ? undefined : Number(row.sent), head: Number(row.head), epoch: row.epoch }
    },
    async markSent(topic, holder, { from, to }, seconds) {
      const values = [topic, holder, to.position, seconds, from, to.id, channelOf(service)]
      const { rows } = await pool.query<{ kept: boolean }>({ name: 'mark sent', text: markText, values })
      return rows[0]?.kept ?? false
    },
    async leaveLease(topic, holder) {
      await pool.query('update relay set holder = null where topic = $1 and holder = $2', [topic, holder])
    },
    async raiseEpoch(above, shared) {
      const { rows } = await pool.query<{ epoch: number }>(
        `update head set epoch = greatest(epoch, $1) + 1,
           raised = raised || jsonb_build_array(jsonb_build_object('epoch', greatest(epoch, $1) + 1, 'after',
             case when $2::text is null then position
               else coalesce((select max(position) from event where recorded_at <= $2), (select min(position) - 1 from event), position) end))
         returning epoch`,
        [above, shared ?? null],
      )
      return rows[0]?.epoch ?? 1
    },
  }
}
