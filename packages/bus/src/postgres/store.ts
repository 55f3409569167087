import type pg from 'pg'
import { asError, BusError, unavailable } from '../error.ts'
import { together } from '../gathered.ts'
import type { Placed, Store } from '../outbox.ts'
import type { Bounds, Log, StoredHeaders, StoredRecord, TopicSpec } from '../port.ts'
import { notifyStatement } from './session.ts'

export interface TopicRow {
  readonly number: number
  readonly id: string
  readonly partitions: number
  readonly maxBytes: number
  readonly setting: string
}

interface RecordRow {
  readonly offset: string
  readonly key: string
  readonly value: Buffer | null
  readonly headers: Record<string, string>
  readonly at: Date
}

const appendStatement = 'select * from bus.append($1, $2, $3, $4, $5) as "offset"'

const readRecords = 500
const readBytes = 4 << 20
const factsAge_ms = 30_000

const readStatement = `
  select "offset", key, value, headers, at from (
    select r.*, sum(coalesce(octet_length(r.value), 0)) over (order by r."offset") - coalesce(octet_length(r.value), 0) as before
    from (select * from bus.record where topic = $1 and partition = $2 and "offset" >= $3 order by "offset" limit ${readRecords}) r
  ) piece where before < ${readBytes} order by "offset"`

const topicsStatement = 'select name, number, id, partitions, max_bytes as "maxBytes" from bus.topic where name = any($1)'

const boundsStatement = `
  select t.name, p.partition, p.first, p.next from bus.partition p join bus.topic t on t.number = p.topic where t.name = any($1) order by 1, 2`

const lastStatement = `
  select n, "offset", key, headers, at from unnest($1::int[], $2::int[], $3::int[]) with ordinality as wanted(topic, partition, most, n)
  cross join lateral (
    select "offset", key, headers, at from bus.record r
    where r.topic = wanted.topic and r.partition = wanted.partition order by "offset" desc limit wanted.most
  ) newest order by n, "offset"`

/** Of which partition how many of its newest records are wanted. */
interface Newest {
  readonly number: number
  readonly partition: number
  readonly most: number
}

const toRecord = (topic: string, partition: number, { offset, key, value, headers, at }: RecordRow): StoredRecord => ({
  topic,
  partition,
  offset: BigInt(offset),
  key,
  value,
  headers,
  timestamp: at,
})

const mismatch = (name: string, has: number | undefined, wanted: number): BusError =>
  new BusError('partition_mismatch', `topic ${name} has ${has} partitions, ${wanted} are wanted: it can only grow`, {
    topic: name,
    has,
    wanted,
  })

export class PostgresStore implements Store {
  readonly #pool: pg.Pool
  readonly #log: Log
  readonly #known = new Map<string, { readonly at: number; readonly row: Promise<TopicRow> }>()
  readonly #unheard = new Set<string>()
  // A member that starts asks for all of its partitions at once: each kind is one statement then, and not a connection for each
  readonly #topics = together((names: readonly string[]) => this.#askTopics(names))
  readonly #bounds = together((names: readonly string[]) => this.#askBounds(names))
  readonly #newest = together((wanted: readonly Newest[]) => this.#askNewest(wanted))
  #telling: Promise<void> | undefined

  constructor(pool: pg.Pool, log: Log) {
    this.#pool = pool
    this.#log = log
  }

  async ensure(specs: readonly TopicSpec[]): Promise<void> {
    for (const { name, partitions, retentionMs = -1 } of specs) {
      const text = 'select bus.create_topic($1, $2, $3) as has'
      const [made] = await this.#query<{ has: number }>(`the topic ${name} could not be made`, text, [name, partitions, retentionMs])
      if (made?.has !== partitions) throw mismatch(name, made?.has, partitions)
    }
  }

  facts(name: string, fresh: boolean): Promise<TopicRow> {
    const cached = this.#known.get(name)
    if (cached !== undefined && !fresh && Date.now() - cached.at < factsAge_ms) return cached.row
    const row = this.#askTopic(name).catch((error) => {
      this.#known.delete(name)
      throw error
    })
    this.#known.set(name, { at: Date.now(), row })
    return row
  }

  async bounds(name: string): Promise<readonly Bounds[]> {
    const bounds = await this.#bounds.find(name)
    if (!bounds) throw new BusError('unknown_topic', `there is no topic ${name}`, { topic: name })
    return bounds
  }

  /** Some records from the offset on, at most about four megabytes but at least one. */
  async read(topic: { readonly name: string; readonly number: number }, partition: number, from: bigint): Promise<readonly StoredRecord[]> {
    const rows = await this.#query<RecordRow>(`${topic.name}/${partition} could not be read`, readStatement, [
      topic.number,
      partition,
      String(from),
    ])
    return rows.map((row) => toRecord(topic.name, partition, row))
  }

  async last(name: string, partition: number, most: number): Promise<readonly StoredHeaders[]> {
    const { number, partitions } = await this.facts(name, true)
    if (partition >= partitions)
      throw new BusError('partition_mismatch', `${name} has no partition ${partition}`, { topic: name, partition })
    const rows = (await this.#newest.find({ number, partition, most })) ?? []
    return rows.map(({ offset, key, headers, at }) => ({ topic: name, partition, offset: BigInt(offset), key, headers, timestamp: at }))
  }

  /** Deletes what is past its topic's retention. */
  async trim(): Promise<void> {
    for (let trimmed = 1; trimmed > 0; ) {
      const [done] = await this.#query<{ partitions: number }>('old records could not be deleted', 'select bus.trim() as partitions', [])
      trimmed = done?.partitions ?? 0
    }
  }

  async write(records: readonly Placed[]): Promise<readonly bigint[]> {
    const numbers = new Map<string, number>()
    for (const { topic } of records) if (!numbers.has(topic)) numbers.set(topic, (await this.facts(topic, false)).number)
    const rows = await this.#query<{ offset: string }>('the records could not be appended', appendStatement, [
      records.map(({ topic }) => numbers.get(topic)),
      records.map(({ partition }) => partition),
      records.map(({ record }) => record.key),
      records.map(({ record: { value } }) => (value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength))),
      records.map(({ record }) => JSON.stringify(record.headers)),
    ])
    if (rows.length !== records.length) {
      // A topic deleted and made again has another number now.
      for (const name of numbers.keys()) this.#known.delete(name)
      throw new BusError('unavailable', `${records.length} records were to be appended, ${rows.length} were: a topic was made anew`)
    }
    for (const name of numbers.keys()) this.#unheard.add(name)
    this.#telling ??= this.#tell()
    return rows.map(({ offset }) => BigInt(offset))
  }

  async #askTopic(name: string): Promise<TopicRow> {
    const row = await this.#topics.find(name)
    if (row === undefined) throw new BusError('unknown_topic', `there is no topic ${name}`, { topic: name })
    return row
  }

  async #askTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicRow>> {
    const what = `the topics ${names.join(', ')} could not be read`
    const rows = await this.#query<Omit<TopicRow, 'setting'> & { readonly name: string }>(what, topicsStatement, [names])
    return new Map(rows.map(({ name, ...row }) => [name, { ...row, setting: 'max_bytes in bus.topic' }]))
  }

  async #askBounds(names: readonly string[]): Promise<ReadonlyMap<string, readonly Bounds[]>> {
    const what = `the bounds of ${names.join(', ')} could not be read`
    const rows = await this.#query<{ name: string; partition: number; first: string; next: string }>(what, boundsStatement, [names])
    const byName = Map.groupBy(rows, ({ name }) => name)
    return new Map(
      [...byName].map(([name, all]) => [
        name,
        all.map(({ partition, first, next }) => ({ partition, first: BigInt(first), next: BigInt(next) })),
      ]),
    )
  }

  async #askNewest(wanted: readonly Newest[]): Promise<ReadonlyMap<Newest, readonly Omit<RecordRow, 'value'>[]>> {
    const values = [wanted.map(({ number }) => number), wanted.map(({ partition }) => partition), wanted.map(({ most }) => most)]
    const rows = await this.#query<Omit<RecordRow, 'value'> & { readonly n: string }>(
      'the newest records could not be read',
      lastStatement,
      values,
    )
    const byPlace = Map.groupBy(rows, ({ n }) => Number(n))
    return new Map(wanted.map((one, index) => [one, byPlace.get(index + 1) ?? []]))
  }

  /** Wakes the readers, after the commit and never within it: one statement for all that was appended meanwhile. */
  async #tell(): Promise<void> {
    while (this.#unheard.size > 0) {
      const topics = [...this.#unheard]
      this.#unheard.clear()
      try {
        await this.#pool.query(notifyStatement, [topics])
      } catch (error) {
        this.#log('debug', 'readers could not be woken; they look by themselves', { error: asError(error).message })
      }
    }
    this.#telling = undefined
  }

  async #query<Row extends pg.QueryResultRow>(what: string, text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return (await this.#pool.query<Row>(text, [...values])).rows
    } catch (error) {
      throw unavailable(what, error)
    }
  }
}
