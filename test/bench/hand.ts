import type { KafkaMessage } from 'kafkajs'
import type pg from 'pg'
import { z } from 'zod'

/** As the ledger's: what a stream is decided on. */
const load = 'select id, version, state from stream where key = any($1)'

/** The rows that a consumer's batch leaves, by hand: heads, events, position and the checkpoint of its partition. No message ids: facts are known by their checkpoint. */
const write = `
  with given as (select * from unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) with ordinality as g(id, text, event_id, cause, n)),
    heads as (insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
      select 'note', id, 1, 0, 1, jsonb_build_object('count', 1, 'last', text), null, $5, $5 from given
      on conflict (key) do update set (version, base, state) = (excluded.version, excluded.base, excluded.state) where stream.version = excluded.base),
    before as (select position from head for update),
    checked as (insert into checkpoint (source, partition, position, next_offset, moved_at) values ($6, $7, $8::bigint, $8::bigint, $5)
      on conflict (source, partition) do update set (position, next_offset, moved_at) = (excluded.position, excluded.next_offset, excluded.moved_at)),
    events as (insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
        actor, correlation_id, causation_id, loop_ids)
      select before.position + n, event_id, 'note', id, 1, 0, before.position + n - 1, 'rondo.benchconsumer.note.added', 1, jsonb_build_object('text', text),
        $5, $5, 'service:bench', cause, cause, '{}' from given, before)
  update head set position = before.position + (select count(*) from given) from before`

const fact = z.object({ text: z.string() })

/** Decides and commits one batch of a partition. */
export async function consumedByHand(
  pool: pg.Pool,
  source: string,
  partition: number,
  nextOffset: string,
  messages: readonly KafkaMessage[],
): Promise<void> {
  const ids = messages.map(({ key }) => String(key).slice('thing/'.length))
  const texts = messages.map(({ value }) => fact.parse(JSON.parse(String(value))).text)
  const causes = messages.map(({ headers }) => String(headers?.ce_id))
  await pool.query(load, [ids.map((id) => `note/${id}`)])
  await pool.query(write, [ids, texts, causes, causes, new Date().toISOString(), source, partition, nextOffset])
}
