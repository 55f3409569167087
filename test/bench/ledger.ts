import { randomUUID } from 'node:crypto'
import { ask, facts, stream } from '@rondo/kernel'
import { migrate, type OpenLedger, openLedger } from '@rondo/ledger'
import pg from 'pg'
import { z } from 'zod'
import { aimed, alternate, atLeast, type Figure, figureOf } from './measure.ts'

export const noteFact = facts('rondo.bench.note', { added: z.object({ text: z.string() }) })
interface Note {
  readonly count: number
  readonly last: string
}
export const note = stream('note', noteFact, { count: 0, last: '' } as Note)({
  fold: 1,
  asks: { add: (_, { text }: { text: string }) => [noteFact.added({ text })] },
  tells: { add: (_, { text }: { text: string }) => [noteFact.added({ text })] },
  evolve: { added: ({ count }, { text }) => ({ count: count + 1, last: text }) },
  keys: {},
})
export const noteText = 'x'.repeat(200)

export const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Calls in a second with so many callers; `call` resolves with how many it counts for. */
export async function rate(callers: number, call: () => Promise<number>, roundMs = 2000): Promise<number> {
  const start = performance.now()
  let done = 0
  const caller = async () => {
    while (performance.now() - start < roundMs) {
      // Not `done += await …`: that would add to what `done` was before
      const more = await call()
      done += more
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (done * 1000) / (performance.now() - start)
}

/** The address of a service's own role, which `migrate` was told the password of. */
export function roleUrl(url: string, service: string): string {
  const role = new URL(url)
  role.username = `rondo_${service}`
  role.password = service
  return role.href
}

export async function openNotes(url: string, service = 'bench'): Promise<OpenLedger> {
  await migrate(url, { service, role: `rondo_${service}`, password: service, log: silent })
  return openLedger({ service, streams: [note], database: roleUrl(url, service), partitions: 4, log: silent })
}

/** One message to the stream; rejects as the ledger does. */
export async function add(ledger: OpenLedger, streamId: string): Promise<1> {
  const id = randomUUID()
  await ledger.submit({
    id,
    hash: id,
    remember: true,
    messages: [ask(note, streamId, 'add', { text: noteText })],
    cause: { actor: 'service:bench', correlationId: id, causationId: id },
  })
  return 1
}

/** The same row writes by hand, into the same tables with the same indexes: load the heads, then one statement for heads, ids, events and position. */
const load = 'select id, version, state from stream where key = any($1)'
const write = `
  with given as (select * from unnest($1::uuid[], $2::text[]) with ordinality as g(id, text, n)),
    before as (select position from head for update),
    heads as (insert into stream (stream, id, version, base, fold, state, phase, first_at, last_at)
      select 'note', id::text, 1, 0, 1, jsonb_build_object('count', 1, 'last', text), null, $3, $3 from given
      on conflict (key) do update set (version, base, state) = (excluded.version, excluded.base, excluded.state) where stream.version = excluded.base),
    ids as (insert into message (id, hash, at, keep_until, outcome)
      select id::text, id::text, $3, $4, jsonb_build_object('results', jsonb_build_array(jsonb_build_object('streamId', id, 'version', 1))) from given),
    events as (insert into event (position, id, stream, stream_id, version, partition, previous, type, schema_version, data, occurred_at, recorded_at,
        actor, correlation_id, causation_id, loop_ids)
      select before.position + n, id, 'note', id::text, 1, 0, before.position + n - 1, 'rondo.bench.note.added', 1, jsonb_build_object('text', text), $3, $3,
        'service:bench', id::text, id::text, '{}' from given, before)
  update head set position = before.position + (select count(*) from given) from before`
const bare = "insert into bare select id, jsonb_build_object('text', text) from unnest($1::uuid[], $2::text[]) as g(id, text)"

const batch = (size: number) => ({
  ids: Array.from({ length: size }, () => randomUUID()),
  texts: Array.from({ length: size }, () => noteText),
})

/** A connection of the owner to a schema with the ledger's tables, and nobody but us in it. */
export async function openControl(url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  await client.connect()
  await migrate(url, { service: 'control', role: 'rondo_control', password: 'control', log: silent })
  await client.query('set search_path = control')
  await client.query('create table if not exists bare (id uuid not null, data jsonb not null)')
  return client
}

export function byHand(client: pg.Client, size: number): () => Promise<number> {
  return async () => {
    const { ids, texts } = batch(size)
    const now = new Date()
    await client.query(load, [ids.map((id) => `note/${id}`)])
    await client.query(write, [ids, texts, now.toISOString(), new Date(now.getTime() + 7 * 86_400_000).toISOString()])
    return size
  }
}
function byBareInsert(client: pg.Client, size: number): () => Promise<number> {
  return async () => {
    const { ids, texts } = batch(size)
    await client.query(bare, [ids, texts])
    return size
  }
}

/** The batch size at which the hand-written statement is fastest here. */
async function bestSize(client: pg.Client): Promise<number> {
  const measured: (readonly [number, number])[] = []
  for (const size of [64, 128, 256, 512]) measured.push([size, await rate(1, byHand(client, size))])
  return measured.toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? 256
}

/** Messages in a second: with 256 callers and with one, beside the same row writes by hand and a bare insert. */
export async function ledgerFigures(url: string, rounds: number, goOn?: () => boolean): Promise<readonly Figure[]> {
  const client = await openControl(url)
  const figures: Figure[] = []
  // One first: the tables that 256 fill are vacuumed for minutes, and after a checkpoint each page of theirs is written whole once
  for (const callers of [1, 256]) {
    const size = callers === 1 ? 1 : await bestSize(client)
    // What those before have left is not written to the disk meanwhile
    await client.query('checkpoint')
    const ledger = await openNotes(url)
    const measured = await alternate(
      rounds,
      [
        { name: 'rondo', run: () => rate(callers, () => add(ledger, randomUUID())) },
        { name: 'hand', run: () => rate(1, byHand(client, size)) },
        { name: 'bare', run: () => rate(1, byBareInsert(client, size)) },
      ],
      goOn,
    )
    await ledger.close()
    const of = (name: string) => measured.get(name) ?? []
    const note = callers === 1 ? undefined : `control in batches of ${size}, the best of a sweep`
    const who = callers === 1 ? '1 caller' : `${callers} callers, different streams`
    const aims = callers === 1 ? { hand: 0.85, bare: 0.5 } : { hand: 0.8, bare: 0.35 }
    const figure = (control: string, values: readonly number[]) =>
      figureOf(`ledger, ${who}`, 'messages/s', of('rondo'), { name: control, values }, note)
    figures.push(aimed(figure('the same row writes by hand', of('hand')), atLeast(aims.hand)))
    figures.push(aimed(figure('bare insert … unnest', of('bare')), atLeast(aims.bare)))
  }
  await client.end()
  return figures
}
