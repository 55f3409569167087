import type { Instant } from '@rondo/kernel'
import type pg from 'pg'
import type { ArchiveReader } from '../archive/reader.ts'
import type { DraftEvent } from '../decision.ts'
import type { AppendRows, KnownMessage, LoadedRows, Writing, Written } from '../store.ts'
import { streamEvents } from './archived.ts'
import { arrayText, ints, jsons, texts } from './arrays.ts'
import { connected, incarnation, type Queryable, type Schema, sqlOf, transaction } from './connection.ts'
import { takeAway } from './parking.ts'

const loadText = 'select load_batch($1, $2, $3, $4) as loaded'
const messagesText = 'select id, hash, outcome, at, duplicates, conflicts from message where id = any($1::text[])'
/** The setting is the transaction's, which this statement is all of. */
const softly = "set_config('synchronous_commit', 'off', true)"

/** A function of the database, as statements that are prepared once. */
function calling(name: 'append' | 'append_one', parameters: number) {
  const places = Array.from({ length: parameters }, (_, n) => `$${n + 1}`).join()
  const text = `select ${name}(${places}) as written, ${incarnation} as incarnation`
  return { durably: { name, text }, softly: { name: `${name} softly`, text: `${text}, ${softly}` } }
}
const appendMany = calling('append', 31)
const appendOne = calling('append_one', 30)

async function call(queryable: Queryable, rows: AppendRows): Promise<Written> {
  const { streams = [], events = [], intake } = rows
  const isOne = streams.length <= 1 && events.length <= 1 && (intake.messages?.length ?? 0) <= 1
  const statement = (isOne ? appendOne : appendMany)[rows.durable ? 'durably' : 'softly']
  const values = isOne ? valuesOf(rows) : columnsOf(rows)
  const { rows: answers } = await queryable.query<{ written: Written; incarnation: string }>({ ...statement, values })
  if (!answers[0]) throw new Error(`${statement.name} gave no row`)
  const { written, incarnation } = answers[0]
  return written.before ? { ...written, before: { ...written.before, incarnation } } : written
}

type Parts = Readonly<Record<string, unknown>>
const isSome = (parts: Parts): boolean => Object.values(parts).some((part) => part !== undefined)
/** JSON of those that are there; null: none is. */
const someOf = (parts: Parts): string | null => (isSome(parts) ? JSON.stringify(parts) : null)

/** What comes alone. */
function valuesOf({ streams: [stream] = [], events: [event] = [], derived, intake }: AppendRows): unknown[] {
  const { partitions, folds, guess: { now, ...rests } = {}, ...follows } = derived
  const { messages: [message] = [], parked: _, ...others } = intake
  const guess = isSome(rests) ? rests : undefined
  return [
    stream?.stream,
    stream?.id,
    stream?.version,
    stream?.base,
    stream?.fold,
    stream && JSON.stringify(stream.state),
    stream?.phase,
    stream?.first_at,
    stream?.last_at,
    event?.id,
    event?.version,
    event?.partition,
    event?.type,
    event?.schemaVersion,
    event && JSON.stringify(event.data),
    event?.occurredAt,
    event?.actor,
    event?.correlationId,
    event?.causationId,
    event?.traceparent,
    event && arrayText(event.loopIds),
    message?.id,
    message?.hash,
    message?.days,
    message && JSON.stringify(message.outcome),
    partitions,
    JSON.stringify(folds),
    now,
    someOf({ ...follows, guess }),
    someOf(others),
  ]
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
      if (!project && !parked) return connected(pool, (client) => call(client, rows))
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
