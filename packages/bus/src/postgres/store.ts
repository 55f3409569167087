import type pg from 'pg'
import { asError, BusError, unavailable } from '../error.ts'
import type { Placed, Store } from '../outbox.ts'
import type { Bounds, Log, StoredRecord, TopicSpec } from '../port.ts'
import { notifyStatement } from './session.ts'

export interface TopicRow {
  readonly number: number
  readonly id: string
  readonly partitions: number
  readonly maxBytes: number
}

interface RecordRow {
  readonly offset: string
  readonly key: string
  readonly value: Buffer | null
  readonly headers: Record<string, string>
  readonly at: Date
}

export interface PostgresStore extends Store {
  ensure(specs: readonly TopicSpec[]): Promise<void>
  topic(name: string, fresh: boolean): Promise<TopicRow>
  bounds(topic: string): Promise<readonly Bounds[]>
  /** Some records from the offset on, at most about four megabytes but at least one. */
  read(topic: string, partition: number, from: bigint): Promise<readonly StoredRecord[]>
  last(topic: string, partition: number): Promise<StoredRecord | undefined>
  /** Deletes what is past its retention. */
  trim(): Promise<void>
}

const readRecords = 500
const readBytes = 4 << 20
const factsAge_ms = 30_000

const readStatement = `
  select "offset", key, value, headers, at from (
    select r.*, sum(coalesce(octet_length(r.value), 0)) over (order by r."offset") - coalesce(octet_length(r.value), 0) as before
    from (select * from bus.record where topic = $1 and partition = $2 and "offset" >= $3 order by "offset" limit ${readRecords}) r
  ) some where before < ${readBytes} order by "offset"`

const toRecord = (topic: string, partition: number, { offset, key, value, headers, at }: RecordRow): StoredRecord => ({
  topic,
  partition,
  offset: BigInt(offset),
  key,
  value,
  headers,
  timestamp: at,
})

export function createStore(pool: pg.Pool, log: Log): PostgresStore {
  const known = new Map<string, { readonly at: number; readonly row: Promise<TopicRow> }>()
  const unheard = new Set<string>()
  let _telling: Promise<void> | undefined

  const query = async <Row extends pg.QueryResultRow>(what: string, text: string, values: readonly unknown[]): Promise<readonly Row[]> => {
    try {
      return (await pool.query<Row>(text, [...values])).rows
    } catch (error) {
      throw unavailable(what, error)
    }
  }

  const askTopic = async (name: string): Promise<TopicRow> => {
    const text = 'select number, id, partitions, max_bytes as "maxBytes" from bus.topic where name = $1'
    const [row] = await query<TopicRow>(`the topic ${name} could not be read`, text, [name])
    if (row === undefined) throw new BusError('unknown_topic', `there is no topic ${name}`, { topic: name })
    return row
  }

  const topic = (name: string, fresh: boolean): Promise<TopicRow> => {
    const cached = known.get(name)
    if (cached !== undefined && !fresh && Date.now() - cached.at < factsAge_ms) return cached.row
    const row = askTopic(name).catch((error) => {
      known.delete(name)
      throw error
    })
    known.set(name, { at: Date.now(), row })
    return row
  }

  /** Wakes the readers, after the commit and never within it: one statement for all that was appended meanwhile. */
  const tell = async (): Promise<void> => {
    while (unheard.size > 0) {
      const topics = [...unheard]
      unheard.clear()
      try {
        await pool.query(notifyStatement, [topics])
      } catch (error) {
        log('debug', 'readers could not be woken; they look by themselves', { error: asError(error).message })
      }
    }
    _telling = undefined
  }

  const append = async (records: readonly Placed[]): Promise<readonly bigint[]> => {
    const numbers = new Map<string, number>()
    for (const { topic: name } of records) if (!numbers.has(name)) numbers.set(name, (await topic(name, false)).number)
    const rows = await query<{ offset: string }>(
      'the records could not be appended',
      'select * from bus.append($1, $2, $3, $4, $5) as "offset"',
      [
        records.map(({ topic: name }) => numbers.get(name)),
        records.map(({ partition }) => partition),
        records.map(({ record }) => record.key),
        records.map(({ record: { value } }) => (value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength))),
        records.map(({ record }) => JSON.stringify(record.headers)),
      ],
    )
    if (rows.length !== records.length) {
      // A topic deleted and made again: its number is another now.
      for (const name of numbers.keys()) known.delete(name)
      throw new BusError('unavailable', `${records.length} records were to be appended, ${rows.length} were: a topic was made anew`)
    }
    for (const name of numbers.keys()) unheard.add(name)
    _telling ??= tell()
    return rows.map(({ offset }) => BigInt(offset))
  }

  return {
    topic,
    facts: topic,
    write: append,
    async ensure(specs) {
      for (const { name, partitions, retentionMs = -1 } of specs) {
        const [made] = await query<{ has: number }>(`the topic ${name} could not be made`, 'select bus.create_topic($1, $2, $3) as has', [
          name,
          partitions,
          retentionMs,
        ])
        if (made?.has === partitions) continue
        const message = `topic ${name} has ${made?.has} partitions, ${partitions} are wanted: keys would move; start a new partition plan instead`
        throw new BusError('partition_mismatch', message, { topic: name, has: made?.has, wanted: partitions })
      }
    },
    async bounds(name) {
      const rows = await query<{ partition: number; first: string; next: string }>(
        `the bounds of ${name} could not be read`,
        'select p.partition, p.first, p.next from bus.partition p join bus.topic t on t.number = p.topic where t.name = $1 order by 1',
        [name],
      )
      if (rows.length === 0) throw new BusError('unknown_topic', `there is no topic ${name}`, { topic: name })
      return rows.map(({ partition, first, next }) => ({ partition, first: BigInt(first), next: BigInt(next) }))
    },
    async read(name, partition, from) {
      const { number } = await topic(name, false)
      const rows = await query<RecordRow>(`${name}/${partition} could not be read`, readStatement, [number, partition, String(from)])
      return rows.map((row) => toRecord(name, partition, row))
    },
    async last(name, partition) {
      const { number, partitions } = await topic(name, true)
      if (partition >= partitions)
        throw new BusError('partition_mismatch', `${name} has no partition ${partition}`, { topic: name, partition })
      const text =
        'select "offset", key, value, headers, at from bus.record where topic = $1 and partition = $2 order by "offset" desc limit 1'
      const [row] = await query<RecordRow>(`${name}/${partition} could not be read`, text, [number, partition])
      return row === undefined ? undefined : toRecord(name, partition, row)
    },
    async trim() {
      for (;;) {
        const [done] = await query<{ partitions: number }>('old records could not be deleted', 'select bus.trim() as partitions', [])
        if ((done?.partitions ?? 0) === 0) return
      }
    },
  }
}
