import { Gathered } from '@rondo/bus'
import { type AnyStream, DomainError, type StateOf } from '@rondo/kernel'
import type { Found, ListOptions, Read, Sql, View } from '@rondo/reaction'
import type { Database } from './database.ts'
import { reaching } from './failure.ts'
import type { Asked, Known } from './known.ts'
import { limiter } from './limiter.ts'
import { pageToken, readPageToken } from './page-token.ts'
import type { Guessing } from './port.ts'
import { Resting } from './rests.ts'
import { current, type HeadRow, keyOf } from './storage.ts'
import type { Sought, Store } from './store.ts'

const defaultPageSize = 50
const maxPageSize = 1_000

const found = <State>({ id, version, state }: HeadRow): Found<State> => ({ id, version, state: state as State })

const microtask = async () => undefined
/** Who reads for callers, and never guesses. */
const nobody = ''

/** Look-ups on their way: what comes meanwhile goes together in the next, so that the more come, the less each costs. */
const lookUpsAtOnce = 2
/** Pages and queries of views on their way: the writer needs some of the connections too. */
const queriesAtOnce = 5

/** What is looked for at once is one query. By question the streams, in the order of their keys. */
const gathered = (store: Pick<Store, 'find'>, known: Known) =>
  new Gathered(
    microtask,
    async (all: readonly Asked[]) => {
      const keys = [...new Set(all.flatMap((sought) => sought.keys))]
      const found = await store.find({ keys, held: all.flatMap(({ held }) => held) })
      known.found(all, found)
      const { rows, holders } = found
      const places = new Map(rows.map(({ stream, id }, index) => [keyOf(stream, id), index]))
      let from = 0
      const answers = all.map((sought) => {
        const until = from + sought.held.length
        const wanted = new Set([...sought.keys, ...holders.slice(from, until).flat()])
        from = until
        const there = [...wanted].flatMap((key) => places.get(key) ?? []).sort((one, other) => one - other)
        return [sought, there.flatMap((place) => rows[place] ?? [])] as const
      })
      return new Map(answers)
    },
    lookUpsAtOnce,
  )

/** The streams that are sought, in the order of their keys. */
type Look = (sought: Sought) => Promise<readonly HeadRow[]>

export interface Reads {
  /** Of committed state, from the service's own rows. */
  readonly read: Read
  guessing(asker: string): Guessing
}

/** Whoever reads of one ledger in one process: what they look for together is looked up together. */
export function reads({ store }: Database, known: Known): Reads {
  const sought = gathered(store, known)
  const limited = limiter(queriesAtOnce)
  const sql: Sql = (text, values) => limited(() => store.sql(text, values))
  const lookUp =
    (asker: string): Look =>
    async (one) =>
      (await sought.find({ ...one, asker })) ?? []
  const views = new Map<View, unknown>()
  const readBy = (look: Look) => readOf({ store, sql, limited, views }, look)
  return {
    read: readBy(lookUp(nobody)),
    guessing(asker) {
      const look = lookUp(asker)
      const again = readBy(look)
      if (!known.letsGuess()) return { read: again, again, rests: () => undefined }
      const resting = new Resting()
      const guessed = readBy(async (one) => {
        const answer = known.answer({ ...one, asker })
        return answer && resting.add(answer.rests) ? answer.rows : look(one)
      })
      return { read: guessed, again, rests: () => resting.all }
    },
  }
}

interface Sources {
  readonly store: Store
  readonly sql: Sql
  readonly limited: ReturnType<typeof limiter>
  readonly views: Map<View, unknown>
}

function readOf({ store, sql, limited, views }: Sources, look: Look): Read {
  const byKeys = (stream: AnyStream, ids: readonly string[]) =>
    present(stream, look({ keys: ids.map((id) => keyOf(stream.name, id)), held: [] }))
  const present = async (stream: AnyStream, rows: Promise<readonly HeadRow[]>): Promise<readonly HeadRow[]> =>
    Promise.all((await reaching(rows)).map((row) => current(store, stream, row)))
  return {
    async load<S extends AnyStream>(stream: S, id: string): Promise<StateOf<S>> {
      const [row] = await byKeys(stream, [id])
      return row ? (row.state as StateOf<S>) : stream.initial
    },
    async loadAll<S extends AnyStream>(stream: S, ids: readonly string[]) {
      const rows = await byKeys(stream, ids)
      return rows.map((row) => found<StateOf<S>>(row))
    },
    async find<S extends AnyStream>(stream: S, key: string, values: readonly string[]) {
      const name = knownKey(stream, key)
      const held = [...new Set(values)].map((value) => ({ stream: stream.name, name, value }))
      const rows = await present(stream, look({ keys: [], held }))
      return rows.map((row) => found<StateOf<S>>(row))
    },
    async list<S extends AnyStream>(stream: S, options: ListOptions) {
      const { order = 'occurred_at desc' } = options
      const size = sizeOf(options.pageSize)
      const rows = await present(
        stream,
        limited(async () => store.page(stream.name, { ...listing(stream, options, order), limit: size + 1 })),
      )
      const last = rows[size - 1]
      return {
        items: rows.slice(0, size).map((row) => found<StateOf<S>>(row)),
        nextPageToken: rows.length > size && last ? pageToken(order, last) : '',
      }
    },
    view<Queries>(view: View<Queries>): Queries {
      const queries = views.get(view) ?? view.queries(sql)
      views.set(view, queries)
      return queries as Queries
    },
  }
}

const directions = { occurred_at: 'asc', 'occurred_at desc': 'desc' } as const

function knownKey(stream: AnyStream, name: string): string {
  if (!(name in stream.keys)) throw new TypeError(`${stream.name} has no key "${name}"`)
  return name
}

function listing(stream: AnyStream, { phase, keys = {}, pageToken: token }: ListOptions, order: keyof typeof directions) {
  if (!(order in directions))
    throw new DomainError('invalid', `order must be one of ${Object.keys(directions).join(', ')}`, { path: 'order' })
  for (const name of Object.keys(keys)) knownKey(stream, name)
  return { phase, keys, direction: directions[order], after: token ? readPageToken(order, token) : undefined }
}

function sizeOf(pageSize: number | undefined): number {
  if (!pageSize) return defaultPageSize
  if (!Number.isInteger(pageSize) || pageSize < 0)
    throw new DomainError('invalid', 'page_size must be a whole number from 0 (default) up', { path: 'page_size' })
  return Math.min(pageSize, maxPageSize)
}
