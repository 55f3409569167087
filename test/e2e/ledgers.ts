import { kafkaBus, postgresBus, type StoredRecord } from '@rondo/bus'
import { eventually } from '@rondo/testkit'
import pg from 'pg'
import { type ServiceName, services } from '../rig/processes.ts'
import { allOf } from '../rig/records.ts'

interface Place {
  readonly id: string
  readonly position: number
}

/** The database of a run, as its owner sees it. */
export class Ledgers {
  readonly #url: string
  readonly #pool: pg.Pool

  constructor(url: string) {
    this.#url = url
    this.#pool = new pg.Pool({ connectionString: url, max: 4 })
  }
  async #rows<Row extends pg.QueryResultRow>(sql: string): Promise<readonly Row[]> {
    return (await this.#pool.query<Row>(sql)).rows
  }
  /** Grows with each record that the service has read, on whatever topic. */
  async read(service: ServiceName): Promise<number> {
    const [row] = await this.#rows<{ sum: string }>(`select coalesce(sum(position), 0) as sum from ${service}.checkpoint`)
    return Number(row?.sum)
  }
  /** Who let go what was lost, and why. */
  acceptedGaps(service: ServiceName): Promise<readonly object[]> {
    return this.#rows(`select actor, why from ${service}.accepted_gap order by number`)
  }
  /** All events of a ledger in their order. */
  async events(service: ServiceName): Promise<readonly Place[]> {
    const rows = await this.#rows<{ id: string; position: string }>(`select id, position from ${service}.event order by position`)
    return rows.map(({ id, position }) => ({ id, position: Number(position) }))
  }
  /** The same twice: nothing is under way any more. */
  async settled(): Promise<void> {
    let before = ''
    await eventually(
      async () => {
        const now = JSON.stringify(
          await Promise.all(
            services.map((name) =>
              this.#rows(
                `select (select position from ${name}.head), (select min(position) from ${name}.relay), (select sum(position) from ${name}.checkpoint)`,
              ),
            ),
          ),
        )
        const quiet = now === before
        before = now
        return quiet
      },
      { within: 60_000, every: 500 },
    )
  }
  close(): Promise<void> {
    return this.#pool.end()
  }

  /** The records of a topic as they lie there, by partition. */
  async topic(service: ServiceName, kafka: string | undefined): Promise<readonly (readonly StoredRecord[])[]> {
    const bus = kafka ? kafkaBus({ brokers: [kafka], clientId: 'e2e' }) : postgresBus({ url: this.#url })
    try {
      return await allOf(bus, `rondo.${service}.v1`)
    } finally {
      await bus.close()
    }
  }
}

/** Of records that may have been sent twice, the first of each. */
export function firstOccurrences(records: readonly StoredRecord[]): readonly Place[] {
  const first = new Map<string, Place>()
  for (const { headers } of records) {
    const id = headers.ce_id ?? ''
    if (!first.has(id)) first.set(id, { id, position: Number(headers.ce_position) })
  }
  return [...first.values()]
}
