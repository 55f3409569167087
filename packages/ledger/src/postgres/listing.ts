import type { Sql } from '@rondo/reaction'
import type { HeadRow } from '../storage.ts'
import type { Listing } from '../store.ts'
import { headColumns } from './rows.ts'

/** A statement and its parameters; `$1` is the kind of stream. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** What a list is narrowed by: the phase, or a key that the stream holds. */
type Condition = { readonly phase: string } | { readonly name: string; readonly held: string }

/** Up to here it is counted who meets a condition: above it, all are many. */
const counted = 1_000

export async function page(sql: Sql, stream: string, listing: Listing): Promise<readonly HeadRow[]> {
  const conditions = conditionsOf(listing)
  const { text, values } = pageStatement(stream, listing, await rarestFirst(sql, stream, conditions))
  return sql<HeadRow>(text, values)
}

const conditionsOf = ({ phase, keys }: Listing): readonly Condition[] => [
  ...Object.entries(keys).map(([name, held]) => ({ name, held })),
  ...(phase ? [{ phase }] : []),
]

/**
 * The planner cannot know how two conditions go together, nor where in the order of the list the streams lie that meet them: what it takes for
 * a short walk may be a walk through all of them. So whom few meet leads, and is looked up by its index, and the others are asked of each.
 */
async function rarestFirst(sql: Sql, stream: string, conditions: readonly Condition[]): Promise<readonly Condition[]> {
  if (conditions.length < 2) return conditions
  const { text, values } = countStatement(stream, conditions)
  const [row] = await sql<{ counts: readonly number[] }>(text, values)
  const counts = row?.counts ?? []
  return conditions
    .map((condition, n) => ({ condition, count: counts[n] ?? counted }))
    .toSorted((one, other) => one.count - other.count)
    .map(({ condition }) => condition)
}

function countStatement(stream: string, conditions: readonly Condition[]): Statement {
  const values: unknown[] = [stream]
  const value = (it: unknown) => `$${values.push(it)}`
  const each = conditions.map((condition) =>
    'phase' in condition
      ? `select from stream where stream = $1 and phase = ${value(condition.phase)}`
      : `select from stream_key where stream = $1 and name = ${value(condition.name)} and value = ${value(condition.held)}`,
  )
  return {
    text: `select array[${each.map((from) => `(select count(*)::int from (${from} limit ${counted}) _)`).join(', ')}] as counts`,
    values,
  }
}

/**
 * A page by the time of the first fact, then the id: exactly after where the one before ended. The first condition leads: its index has the order
 * of the list, so that no more is read than the page, and whom the other conditions leave out. `offset 0` keeps the planner from turning it round.
 */
export function pageStatement(stream: string, { direction, after, limit }: Listing, [first, ...others]: readonly Condition[]): Statement {
  const values: unknown[] = [stream]
  const value = (it: unknown) => `$${values.push(it)}`
  const byKey = first !== undefined && 'name' in first
  const leads = byKey ? 'k' : 's'
  const where = [`${leads}.stream = $1`]
  // Known of each since the ledger was opened; said, as the index has only those
  if (byKey) where.push(`k.name = ${value(first.name)}`, `k.value = ${value(first.held)}`, 'k.first_at is not null')
  else if (first) where.push(`s.phase = ${value(first.phase)}`)
  if (after) where.push(`(${leads}.first_at, ${leads}.id) ${direction === 'asc' ? '>' : '<'} (${value(after.at)}, ${value(after.id)})`)
  const phases: string[] = []
  for (const other of others) {
    if ('phase' in other) phases.push(` and s.phase = ${value(other.phase)}`)
    else
      where.push(
        `exists (select from stream_key o where o.stream = $1 and o.name = ${value(other.name)} and o.value = ${value(other.held)} and o.id = ${leads}.id offset 0)`,
      )
  }
  const from = byKey
    ? `stream_key k cross join lateral (select * from stream s where s.key = k.stream || '/' || k.id${phases.join('')} offset 0) s`
    : 'stream s'
  const order = `${leads}.first_at ${direction}, ${leads}.id ${direction}`
  return { text: `select ${headColumns('s')} from ${from} where ${where.join(' and ')} order by ${order} limit ${limit}`, values }
}
