import { facts, refuse, stream } from '@rondo/kernel'
import { project, type View } from '@rondo/reaction'
import { z } from 'zod'

/** A stream that uses all that a stream can have; the tests' own. */
export const fact = facts('rondo.testing.order', {
  placed: z.object({ item: z.string(), number: z.string().optional() }),
  counted: z.object({ by: z.number().int() }),
  closed: z.object({ reason: z.string() }),
  denied: z.object({ why: z.string() }),
  reminded: z.object({}),
})

export interface Order {
  readonly item?: string
  readonly number?: string | undefined
  readonly count: number
  readonly closed?: boolean
  readonly denied?: number
  readonly remindAt?: string | undefined
  readonly turns?: readonly string[]
}

const initial: Order = { count: 0 }

const rules = {
  asks: {
    close(order: Order, { reason }: { reason: string }) {
      if (!order.item) refuse('not_found', 'there is no such order')
      return order.closed ? [] : [fact.closed({ reason })]
    },
    deny: (_: Order, { why }: { why: string }) => refuse('gate_denied', `denied: ${why}`, { why }, [fact.denied({ why })]),
    place: (_: Order, data: { item: string; number?: string }) => [fact.placed(data)],
  },
  tells: {
    placed: (order: Order, data: { item: string; number?: string }) => (order.item ? [] : [fact.placed(data)]),
    count: (_: Order, by: number) => [fact.counted({ by })],
    breaks: (): never[] => {
      throw new Error('a defect')
    },
    wrong: () => [{ ...fact.placed({ item: 'x' }), data: { item: 5 } as never }],
    remind: () => [fact.reminded({})],
  },
  keys: {
    item: ({ item }: Order) => (item ? [item] : []),
    number: ({ number, closed }: Order) => (number && !closed ? [number] : []),
  },
  unique: ['number' as const],
  closed: ['closed'],
  phase: ({ item, closed }: Order) => (closed ? 'closed' : item ? 'open' : 'unseen'),
  timers: ({ remindAt, item }: Order) => [
    ...(remindAt ? [{ at: remindAt, tell: 'remind' as const }] : []),
    ...(item === 'fragile' ? [{ at: '2026-01-01T00:00:00.000000Z', tell: 'breaks' as const }] : []),
  ],
  loops: ({ turns = [] }: Order) => turns,
}

const evolve = {
  placed: (order: Order, { item, number }: { item: string; number?: string | undefined }, { at }: { at: string }): Order => ({
    ...order,
    item,
    number,
    ...(item.startsWith('later') ? { remindAt: at } : {}),
    ...(item.startsWith('REQ') ? { turns: [item] } : {}),
  }),
  counted: (order: Order, { by }: { by: number }): Order => ({ ...order, count: order.count + by }),
  closed: (order: Order): Order => ({ ...order, closed: true, remindAt: undefined }),
  denied: (order: Order): Order => ({ ...order, denied: (order.denied ?? 0) + 1 }),
  reminded: (order: Order): Order => ({ ...order, remindAt: undefined, count: order.count + 1_000 }),
}

export const order = stream('order', fact, initial)({ fold: 1, ...rules, evolve })

/** The same stream after its rules changed their meaning: it counts double. */
export const orderOfFold2 = stream(
  'order',
  fact,
  initial,
)({
  fold: 2,
  ...rules,
  evolve: { ...evolve, counted: (state: Order, { by }: { by: number }): Order => ({ ...state, count: state.count + 2 * by }) },
})

/** Sums what was counted, in a table that the tests' own migration makes. Breaks at 13. */
export const sums: View<{ of(item: string): Promise<number> }> = {
  name: 'sums',
  on: [
    project(fact.counted, async (sql, { streamId, data }) => {
      await sql(
        'insert into sums values ($1, $2::int + 0 / (13 - $2::int)) on conflict (id) do update set total = sums.total + excluded.total',
        [streamId, data.by],
      )
    }),
  ],
  queries: (sql) => ({
    of: async (id) => (await sql<{ total: number }>('select total from sums where id = $1', [id]))[0]?.total ?? 0,
  }),
}
