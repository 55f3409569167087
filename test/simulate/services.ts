import { type AnyStream, ask, facts, type Message, plus, refuse, stream, tell } from '@rondo/kernel'
import { when } from '@rondo/reaction'
import { type ReactionTable, reactionTable } from '@rondo/runtime/reaction-table'
import type { Service } from '@rondo/runtime/service'
import { z } from 'zod'
import type { Step } from './plan.ts'

const text = z.object({ text: z.string() })

export const orderFact = facts('rondo.orders.order', {
  noted: text,
  bumped: z.object({ to: z.number() }),
  placed: z.object({ number: z.string() }),
  settled: z.object({}),
  scheduled: z.object({ due: z.string() }),
  reminded: z.object({ due: z.string() }),
  cancelled: z.object({ dues: z.array(z.string()) }),
})

interface Order {
  readonly notes: number
  readonly bumps: number
  readonly number?: string
  readonly settled?: boolean
  readonly dues: readonly string[]
}

/** Of the program. The newer one counts double: a state that both have folded is neither's. */
export type Version = 1 | 2

/** Where a message is asked twice, the second would come to something else: only ids, versions and keys keep it from it. */
const orderOf = (version: Version) =>
  stream('order', orderFact, { notes: 0, bumps: 0, dues: [] } as Order)({
    fold: version,
    asks: {
      note: (_, { text }: { text: string }) => [orderFact.noted({ text })],
      bump: ({ bumps }) => [orderFact.bumped({ to: bumps + 1 })],
      place: ({ number }, input: { number: string }) => {
        if (number !== undefined) refuse('wrong_phase', 'it has a number')
        return [orderFact.placed(input)]
      },
      // What is left is nothing, and an answer that names another version
      settle: ({ settled }) => (settled ? [] : [orderFact.settled({})]),
      cancel: ({ dues }) => [orderFact.cancelled({ dues: [...dues] })],
      schedule: (_, { ms }: { ms: number }, { at }) => [orderFact.scheduled({ due: plus(at, ms) })],
    },
    tells: { remind: (_, __: undefined, { at }) => [orderFact.reminded({ due: at })] },
    evolve: {
      noted: (state) => ({ ...state, notes: state.notes + version }),
      bumped: (state, { to }) => ({ ...state, bumps: to }),
      placed: (state, { number }) => ({ ...state, number }),
      settled: (state) => ({ ...state, settled: true }),
      scheduled: (state, { due }) => ({ ...state, dues: [...new Set([...state.dues, due])] }),
      cancelled: (state) => ({ ...state, dues: [] }),
      reminded: (state, { due }) => ({ ...state, dues: state.dues.filter((one) => one !== due) }),
    },
    keys: { number: ({ number }) => (number === undefined ? [] : [number]) },
    unique: ['number'],
    timers: ({ dues }) => dues.map((at) => ({ at, tell: 'remind' as const })),
  })

export const signal = facts('rondo.intake.signal', { heard: z.object({ to: z.string(), text: z.string() }) })

const boxFact = facts('rondo.tally.box', { counted: z.object({ event: z.string() }) })
const boxOf = (version: Version) =>
  stream('box', boxFact, { count: 0 })({
    fold: version,
    asks: {},
    tells: {
      // No look at what was seen before: an event that is applied twice counts twice
      count: (_, { event, text }: { event: string; text: string }) => {
        if (text === 'poison') throw new TypeError('cannot be counted')
        return [boxFact.counted({ event })]
      },
    },
    evolve: { counted: ({ count }) => ({ count: count + version }) },
    keys: {},
  })

const trayFact = facts('rondo.tally.tray', { filled: z.object({ label: z.string(), event: z.string() }) })
/** Found by a unique label: who finds none makes one, and two who do so at once must not both. */
const tray = stream('tray', trayFact, { label: '', count: 0 })({
  fold: 1,
  asks: {},
  tells: { fill: (_, data: { label: string; event: string }) => [trayFact.filled(data)] },
  evolve: { filled: ({ count }, { label }) => ({ label, count: count + 1 }) },
  keys: { label: ({ label }) => [label] },
  unique: ['label'],
})

/** What a process runs. */
export interface Program {
  readonly orders: Service
  readonly tally: Service
  readonly table: ReactionTable
  readonly streams: readonly AnyStream[]
  messagesOf(step: Extract<Step, { step: 'ask' }>): readonly Message[]
}

function programOf(version: Version): Program {
  const [order, box] = [orderOf(version), boxOf(version)]
  const tally: Service = {
    name: 'tally',
    streams: [box, tray],
    reactions: [
      when(orderFact.noted, ({ id: event, streamId, data }) => [tell(box, streamId, 'count', { event, text: data.text })]),
      when(
        orderFact.bumped,
        ({ data }, read) => read.find(tray, 'label', [`label ${data.to % 3}`]),
        ({ id: event, data }, [found]) => [tell(tray, found?.id ?? event, 'fill', { label: `label ${data.to % 3}`, event })],
      ),
      when(signal.heard, ({ id: event, data }) => [tell(box, data.to, 'count', { event, text: data.text })]),
    ],
    rpc: {},
  }
  return {
    orders: { name: 'orders', streams: [order], reactions: [], rpc: {} },
    tally,
    table: reactionTable(tally),
    streams: [order, box, tray],
    messagesOf: (step) => messagesOf(order, step),
  }
}

export const programs: Readonly<Record<Version, Program>> = { 1: programOf(1), 2: programOf(2) }

/** Of the orders' ledger. */
export const topic = 'rondo.orders.v1'

export const isPoison = (data: unknown): boolean => typeof data === 'object' && data !== null && 'text' in data && data.text === 'poison'

/** What changes the tally: the rest is of no interest to it. */
export const counted = [orderFact.noted.base, orderFact.bumped.base]

function messagesOf(
  order: ReturnType<typeof orderOf>,
  { rule, order: id, other, value, ms }: Extract<Step, { step: 'ask' }>,
): readonly Message[] {
  switch (rule) {
    case 'note':
      return [ask(order, id, 'note', { text: value })]
    case 'bump':
      return [ask(order, id, 'bump')]
    case 'place':
      return [ask(order, id, 'place', { number: value })]
    case 'settle':
      return [ask(order, id, 'settle')]
    case 'cancel':
      return [ask(order, id, 'cancel')]
    case 'schedule':
      return [ask(order, id, 'schedule', { ms })]
    case 'pair':
      return [ask(order, id, 'bump'), ask(order, other, 'note', { text: 'pair' })]
  }
}
