import type { Instant } from '@rondo/kernel'
import pg from 'pg'
import type { ArchiveReader } from '../archive/reader.ts'
import type { DraftEvent } from '../decision.ts'
import type { AppendRows, KnownMessage, LoadedRows, Writing, Written } from '../store.ts'
import { isAlone, lostAlone, valuesOf, writtenAlone } from './alone.ts'
import { streamEvents } from './archived.ts'
import { arrayText, ints, jsons, someOf, texts } from './arrays.ts'
import { incarnation, keepingOne, type Schema, sqlOf, transaction } from './connection.ts'
import { takeAway } from './parking.ts'

const loadText = 'select load_batch($1, $2, $3, $4) as loaded'
const messagesText = 'select * from find_messages($1)'
/** The setting is the transaction's, which this statement is all of. */
const softly = "set_config('synchronous_commit', 'off', true)"

/** A function of the database, as statements that are prepared once. */
function calling(name: 'append' | 'append_alone', parameters: number) {
  const places = Array.from({ length: parameters }, (_, n) => `$${n + 1}`).join()
  const text = `select ${name}(${places}) as written, ${incarnation} as incarnation`
  return { durably: { name, text }, softly: { name: `${name} softly`, text: `${text}, ${softly}` } }
}
const appendMany = calling('append', 31)
const appendAlone = calling('append_alone', 30)

interface Answer<T> {
  readonly written: T
  readonly incarnation: string
}

/** As a query that is made here: the client copies a config property by property at each call, which costs as much as putting it together. */
function ask<T>(client: pg.ClientBase, { name, text }: { name: string; text: string }, values: unknown[]): Promise<Answer<T>> {
  return new Promise((resolve, reject) => {
    const callback = (error: Error | null, result?: pg.QueryResult<Answer<T>>) => {
      const row = result?.rows[0]
      if (row) resolve(row)
      else reject(error ?? new Error(`${name} gave no row`))
    }
    client.query(Object.assign(new pg.Query(text, values), { name, callback }))
  })
}

async function call(client: pg.ClientBase, rows: AppendRows): Promise<Written> {
  const how = rows.durable ? 'durably' : 'softly'
  if (isAlone(rows)) {
    try {
      return writtenAlone(await ask<string>(client, appendAlone[how], valuesOf(rows)))
    } catch (error) {
      throw lostAlone(rows, error)
    }
  }
  const { written, incarnation } = await ask<Written>(client, appendMany[how], columnsOf(rows))
  return written.before ? { ...written, before: { ...written.before, incarnation } } : written
}

/** A column for each parameter. */
function columnsOf({ streams = [], events = [], derived, intake }: AppendRows): unknown[] {
  const { partitions, ...follows } = derived
  const { messages = [], parked: _, ...others } = intake
  const { before, last } = placed(events, partitions)
  return [
    texts(streams.map(({ stream }) => stream)),
    texts(streams.map(({ id }) => id)),
    ints(streams.map(({ version }) => version)),
    ints(streams.map(({ base }) => base)),
    ints(streams.map(({ fold }) => fold)),
    jsons(streams.map(({ state }) => JSON.stringify(state))),
    texts(streams.map(({ phase }) => phase)),
    texts(streams.map(({ first_at }) => first_at)),
    texts(streams.map(({ last_at }) => last_at)),
    texts(events.map(({ id }) => id)),
    texts(events.map(({ stream }) => stream)),
    texts(events.map(({ streamId }) => streamId)),
    ints(events.map(({ version }) => version)),
    ints(events.map(({ partition }) => partition)),
    ints(before),
    texts(events.map(({ type }) => type)),
    ints(events.map(({ schemaVersion }) => schemaVersion)),
    jsons(events.map(({ data }) => JSON.stringify(data))),
    texts(events.map(({ occurredAt }) => occurredAt)),
    texts(events.map(({ actor }) => actor)),
    texts(events.map(({ correlationId }) => correlationId)),
    texts(events.map(({ causationId }) => causationId)),
    texts(events.map(({ traceparent }) => traceparent)),
    texts(events.map(({ loopIds }) => arrayText(loopIds))),
    ints(last),
    texts(messages.map(({ id }) => id)),
    texts(messages.map(({ hash }) => hash)),
    ints(messages.map(({ days }) => days)),
    jsons(messages.map(({ outcome }) => JSON.stringify(outcome))),
    JSON.stringify(follows),
    someOf(others),
  ]
}

/** Counted from 1: of each event the one before it in its partition, and the last of each partition; 0: none of this batch. */
function placed(events: readonly DraftEvent[], partitions: number) {
  const last = Array.from({ length: partitions }, () => 0)
  const before = events.map(({ partition }, n) => {
    const earlier = last[partition] ?? 0
    last[partition] = n + 1
    return earlier
  })
  return { before, last }
}

async function one<Row extends pg.QueryResultRow>(pool: pg.Pool, text: string, values: readonly unknown[]): Promise<Row | undefined> {
  return (await pool.query<Row>(text, [...values])).rows[0]
}

export function writing({ pool }: Schema, archive: ArchiveReader): Writing {
  const onOne = keepingOne(pool)
  return {
    async load({ streams, messages, chains }) {
      const values = [
        texts(streams),
        texts(messages),
        texts(chains.map(({ source }) => source)),
        ints(chains.map(({ partition }) => partition)),
      ]
      const { rows } = await pool.query<{ loaded: LoadedRows }>({ name: 'load', text: loadText, values })
      const [row] = rows
      if (!row) throw new Error('the load query gave no row')
      return row.loaded
    },
    /** One statement is the whole transaction, unless views are to be projected in it, or parked records taken away. */
    append(rows, project) {
      const { parked } = rows.intake
      if (!project && !parked) return onOne((client) => call(client, rows))
      return transaction(pool, async (client) => {
        const written = await call(client, rows)
        if (parked) await takeAway(client, parked)
        await project?.(sqlOf(client), written)
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
      const values = [texts(ids)]
      const { rows } = await pool.query<KnownMessage & { readonly id: string }>({ name: 'find messages', text: messagesText, values })
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
