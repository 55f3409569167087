import { ask, facts, stream } from '@rondo/kernel'
import { migrate, type OpenLedger, openLedger } from '@rondo/ledger'
import pg from 'pg'
import { z } from 'zod'
import { roleUrl, silent } from './ledger.ts'

const itemFact = facts('rondo.stored.item', { noted: z.object({ text: z.string(), group: z.string(), open: z.boolean() }) })
type Noted = { readonly text: string; readonly group: string; readonly open: boolean }
const first = { count: 0, last: '', group: '', open: false }

/** The stream of the stored events; a raised fold makes the same states anew. */
export const itemOf = (fold: number) =>
  stream(
    'item',
    itemFact,
    first,
  )({
    fold,
    asks: { note: (_, input: Noted) => [itemFact.noted(input)] },
    tells: {},
    evolve: { noted: ({ count }, { text, group, open }) => ({ count: count + 1, last: text, group, open }) },
    phase: ({ open }) => (open ? 'open' : 'closed'),
    keys: { group: ({ group }) => [group] },
  })
export const item = itemOf(1)
export const noteItem = (id: string, text: string) => ask(item, id, 'note', { text, group: hotGroup, open: true })

/** Streams that are open and in one group: the same ones in each ledger, however much else is stored. */
export const hotStreams = 1000
export const hotGroup = 'hot'
export const eventsEach = 10
const partitions = 8
const chunk = 200_000

export const itemId = (n: number): string => `item-${String(n).padStart(8, '0')}`

export function openItems(url: string, service: string, fold = 1): Promise<OpenLedger> {
  return openLedger({ service, streams: [fold === 1 ? item : itemOf(fold)], database: roleUrl(url, service), partitions, log: silent })
}

/** As `itemId`, of the n-th stream; hot ones come first. */
const given = `
  select p, (p - 1) % $1::bigint + 1 as s, ((p - 1) / $1::bigint)::int + 1 as v, instant(timestamptz '2026-01-01' + p * interval '1 millisecond') as at
  from generate_series($2::bigint, $3::bigint) as p`
const noted = `jsonb_build_object('text', repeat('x', 100), 'group', case when s <= ${hotStreams} then '${hotGroup}' else 'g' || s % 1000 end, 'open', s <= ${hotStreams})`
const id = `'item-' || lpad(s::text, 8, '0')`

const statements = {
  events: `insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
      actor, correlation_id, causation_id, loop_ids)
    select p, gen_random_uuid(), 'item', ${id}, v, (p - 1) % ${partitions}, greatest(p - ${partitions}, 0), 'rondo.stored.item.noted', 1, ${noted}, at, at,
      'service:bench', 'm-' || p, 'm-' || p, '{}' from (${given}) as given`,
  messages: `insert into message (id, hash, at, keep_until, outcome)
    select 'm-' || p, 'm-' || p, at, instant(clock_timestamp() + interval '7 days'),
      jsonb_build_object('results', jsonb_build_array(jsonb_build_object('streamId', ${id}, 'version', v))) from (${given}) as given`,
  heads: `insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
    select 'item', ${id}, ${eventsEach}, ${eventsEach - 1}, 1, ${noted} - 'text' || jsonb_build_object('count', ${eventsEach}, 'last', repeat('x', 100)),
      case when s <= ${hotStreams} then 'open' else 'closed' end, at,
      instant(timestamptz '2026-01-01' + (p + $1::bigint * ${eventsEach - 1}) * interval '1 millisecond') from (${given}) as given`,
  keys: `insert into stream_key (stream, name, value, id, is_unique, first_at)
    select 'item', 'group', ${noted}->>'group', ${id}, false, at from (${given}) as given`,
}

async function inChunks(client: pg.Client, statement: string, streams: number, last: number): Promise<void> {
  for (let from = 1; from <= last; from += chunk) await client.query(statement, [streams, from, Math.min(last, from + chunk - 1)])
}

/** A ledger as so many events leave it, written by SQL: events, heads, keys, message ids and positions agree. */
export async function fill(url: string, service: string, events: number): Promise<void> {
  await migrate(url, { service, role: `rondo_${service}`, password: service, log: silent })
  await (await openItems(url, service)).close()
  const streams = events / eventsEach
  if (streams % partitions !== 0 || streams < hotStreams)
    throw new RangeError(`${events} events: expected a multiple of ${eventsEach * partitions} from ${hotStreams * eventsEach} up`)
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`set search_path = ${service}`)
    // It can be made again: only this session does without the flush
    await client.query('set synchronous_commit = off')
    await inChunks(client, statements.events, streams, events)
    await inChunks(client, statements.messages, streams, events)
    await inChunks(client, statements.heads, streams, streams)
    await inChunks(client, statements.keys, streams, streams)
    await client.query(
      'update head set position = $1::bigint, tails = (select array_agg($1::bigint - $2::int + n order by n) from generate_series(1, $2::int) as n)',
      [events, partitions],
    )
    // What runs by itself sooner or later, and would run into the figures
    for (const table of ['event', 'stream', 'stream_key', 'message', 'head']) await client.query(`vacuum (analyze) ${table}`)
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}

const filled = new Map<string, Promise<string>>()

/** The ledger of so many events on this server, made when it is first asked for; resolves with its service's name. */
export function stored(url: string, events: number, purpose = 'stored'): Promise<string> {
  const service = `${purpose}_${events}`
  const made = filled.get(service) ?? fill(url, service, events).then(() => service)
  filled.set(service, made)
  return made
}
