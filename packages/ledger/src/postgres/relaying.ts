import type { EpochStart } from '../epoch.ts'
import type { History, Relaying } from '../store.ts'
import { incarnation, type Schema } from './connection.ts'
import { type ChainedRow, chainColumns, envelopeColumns, toChained } from './rows.ts'
import { channelOf, payloadOf } from './waking.ts'

/** Named, as it follows each batch that is sent. The setting is the transaction's, which this statement is all of. */
const markText = `select mark_sent($1, $2, $3, $4, $5, $6, $7, $8) as kept, set_config('synchronous_commit', 'off', true)`

/** Not named: a plan that was made while there were few events would read all of them when there are many. */
const chainedText = `
  select ${envelopeColumns}, ${chainColumns}, (select epoch from head) as now, (select max(position) from relay) as marked, ${incarnation} as incarnation
  from event where position > $1 order by position limit $2`

export function relaying({ pool, service }: Schema): Relaying {
  return {
    async standing() {
      const { rows } = await pool.query<History & { position: string; raised: EpochStart[]; tails: string[] }>(
        `select position, epoch, ${incarnation} as incarnation, raised, tails from head`,
      )
      const [row] = rows
      if (!row) throw new Error('the ledger has no head')
      return { ...row, position: Number(row.position), tails: row.tails.map(Number) }
    },
    async chainedAfter(position, limit, known) {
      const { rows } = await pool.query<ChainedRow & { now: number; marked: string | null; incarnation: string }>(chainedText, [
        position,
        limit,
      ])
      const [first] = rows
      if (!first) return { ...known, batch: [], marked: position }
      const { now: epoch, marked, incarnation } = first
      const isKnown = epoch === known.epoch && incarnation === known.incarnation
      const batch = isKnown ? rows.map(({ now: _, marked: __, incarnation: ___, ...row }) => toChained(row)) : []
      return { batch, epoch, incarnation, marked: Number(marked) }
    },
    async holdLease(topic, holder, seconds) {
      // Whoever stands by writes nothing: it asks more often than the one who holds it
      const { rows } = await pool.query<History & { sent: string | null; head: string }>(
        `with softly as materialized (select set_config('synchronous_commit', 'off', true)),
           kept as (
             update relay set holder = $2, held_until = clock_timestamp() + make_interval(secs => $3)
             from softly where topic = $1 and (holder is null or holder = $2 or held_until < clock_timestamp())
             returning position),
           made as (
             insert into relay (topic, position, holder, held_until)
             select $1, 0, $2, clock_timestamp() + make_interval(secs => $3) from softly where not exists (select from relay where topic = $1)
             on conflict do nothing returning position)
         select coalesce((select position from kept), (select position from made)) as sent, position as head, epoch, ${incarnation} as incarnation from head`,
        [topic, holder, seconds],
      )
      const [row] = rows
      if (!row) throw new Error('the ledger has no head')
      return { ...row, sent: row.sent === null ? undefined : Number(row.sent), head: Number(row.head) }
    },
    async markSent(topic, holder, { from, to }, seconds) {
      const values = [topic, holder, seconds, from, to.position, to.id, channelOf(service), payloadOf(to.position, true)]
      const { rows } = await pool.query<{ kept: boolean | null }>({ name: 'mark sent', text: markText, values })
      const kept = rows[0]?.kept ?? null
      return { marked: kept !== null, kept: kept ?? false }
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
