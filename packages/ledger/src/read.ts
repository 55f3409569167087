import { type AnyStream, DomainError, type StateOf } from '@rondo/kernel'
import type { Found, ListOptions, Read, View } from '@rondo/reaction'
import { type Database, sqlOf } from './database.ts'
import { reaching } from './failure.ts'
import { pageToken, readPageToken } from './page-token.ts'
import { current, type HeadRow, headColumns, keyOf } from './storage.ts'

const defaultPageSize = 50
const maxPageSize = 1_000

const found = <State>({ id, version, state }: HeadRow): Found<State> => ({ id, version, state: state as State })

/** Reads of committed state, from the service's own schema. */
export function reads({ pool }: Database): Read {
  const views = new Map<View, unknown>()
  const select = async (stream: AnyStream, rest: string, values: readonly unknown[]): Promise<readonly HeadRow[]> => {
    const { rows } = await reaching(pool.query<HeadRow>(`select ${headColumns('s')} from stream s where ${rest}`, [...values]))
    return Promise.all(rows.map((row) => current(pool, stream, row)))
  }
  return {
    async load<S extends AnyStream>(stream: S, id: string): Promise<StateOf<S>> {
      const [row] = await select(stream, 's.key = $1', [keyOf(stream.name, id)])
      return row ? (row.state as StateOf<S>) : stream.initial
    },
    async loadAll<S extends AnyStream>(stream: S, ids: readonly string[]) {
      return (await select(stream, 's.key = any($1) order by s.key', [ids.map((id) => keyOf(stream.name, id))])).map((row) =>
        found<StateOf<S>>(row),
      )
    },
    async find<S extends AnyStream>(stream: S, key: string, values: readonly string[]) {
      if (!(key in stream.keys)) throw new TypeError(`${stream.name} has no key "${key}"`)
      const rows = await select(
        stream,
        "s.key = any(array(select stream || '/' || id from stream_key where stream = $1 and name = $2 and value = any($3))) order by s.key",
        [stream.name, key, values],
      )
      return rows.map((row) => found<StateOf<S>>(row))
    },
    async list<S extends AnyStream>(stream: S, options: ListOptions) {
      const { conditions, values, size, order } = listing(stream, options)
      const rows = await select(stream, `${conditions} limit ${size + 1}`, values)
      const last = rows[size - 1]
      return {
        items: rows.slice(0, size).map((row) => found<StateOf<S>>(row)),
        nextPageToken: rows.length > size && last ? pageToken(order, last) : '',
      }
    },
    view<Queries>(view: View<Queries>): Queries {
      const queries = views.get(view) ?? view.queries(sqlOf(pool))
      views.set(view, queries)
      return queries as Queries
    },
  }
}

const orders = { occurred_at: { after: '>', direction: 'asc' }, 'occurred_at desc': { after: '<', direction: 'desc' } } as const

/** The conditions of a list; `$1` is the stream. The keyset is exact: time as text with microseconds, then the id. */
function listing(stream: AnyStream, { phase, keys = {}, order = 'occurred_at desc', pageSize, pageToken: token }: ListOptions) {
  const values: unknown[] = [stream.name]
  const value = (it: unknown) => `$${values.push(it)}`
  const conditions = ['s.stream = $1']
  if (!(order in orders)) throw new DomainError('invalid', `order must be one of ${Object.keys(orders).join(', ')}`, { path: 'order' })
  const { after, direction } = orders[order]
  if (phase) conditions.push(`s.phase = ${value(phase)}`)
  for (const [name, held] of Object.entries(keys)) {
    if (!(name in stream.keys)) throw new TypeError(`${stream.name} has no key "${name}"`)
    conditions.push(
      `exists (select from stream_key k where k.stream = $1 and k.name = ${value(name)} and k.value = ${value(held)} and k.id = s.id)`,
    )
  }
  if (token) {
    const { at, id } = readPageToken(order, token)
    conditions.push(`(s.first_at, s.id) ${after} (${value(at)}, ${value(id)})`)
  }
  return {
    conditions: `${conditions.join(' and ')} order by s.first_at ${direction}, s.id ${direction}`,
    values,
    order,
    size: sizeOf(pageSize),
  }
}

function sizeOf(pageSize: number | undefined): number {
  if (!pageSize) return defaultPageSize
  if (!Number.isInteger(pageSize) || pageSize < 0)
    throw new DomainError('invalid', 'page_size must be a whole number from 0 (default) up', { path: 'page_size' })
  return Math.min(pageSize, maxPageSize)
}
