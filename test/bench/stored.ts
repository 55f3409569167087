import { randomUUID } from 'node:crypto'
import type { OpenLedger } from '@rondo/ledger'
import { hotGroup, hotStreams, item, itemId, noteItem, openItems, stored } from './fill.ts'
import { aimed, alternate, atMost, type Figure, figureOf } from './measure.ts'
import type { Settings } from './rows.ts'
import type { Stage } from './stage.ts'

const few = 10_000
const text = 'x'.repeat(100)
const anyHot = () => itemId(1 + Math.floor(Math.random() * hotStreams))

async function append(ledger: OpenLedger): Promise<void> {
  const id = randomUUID()
  const cause = { actor: 'service:bench', correlationId: id, causationId: id }
  await ledger.submit({ id, hash: id, remember: true, messages: [noteItem(anyHot(), text)], cause })
}

async function pages(
  ledger: OpenLedger,
  options: { readonly phase: string } | { readonly keys: { readonly group: string } },
): Promise<void> {
  const { items, nextPageToken } = await ledger.read.list(item, { ...options, pageSize: 50 })
  const next = await ledger.read.list(item, { ...options, pageSize: 50, pageToken: nextPageToken })
  if (items.length + next.items.length !== 100)
    throw new Error(`two pages of the hot set hold ${items.length} and ${next.items.length} items`)
}

interface Work {
  readonly callers: number
  readonly calls: number
  readonly call: (ledger: OpenLedger) => Promise<unknown>
}

/** What is done again and again on the hot set. */
export const works: Readonly<Record<string, Work>> = {
  'append, 64 callers': { callers: 64, calls: 4000, call: append },
  'append, 1 caller': { callers: 1, calls: 300, call: append },
  'load of a stream': { callers: 4, calls: 2000, call: (ledger) => ledger.read.load(item, anyHot()) },
  'two pages of a list by phase': { callers: 1, calls: 100, call: (ledger) => pages(ledger, { phase: 'open' }) },
  'two pages of a list by key': { callers: 1, calls: 10, call: (ledger) => pages(ledger, { keys: { group: hotGroup } }) },
}

/** Milliseconds for each call. */
export async function each(ledger: OpenLedger, { callers, calls, call }: Work): Promise<number> {
  const start = performance.now()
  let left = calls
  const caller = async () => {
    while (left-- > 0) await call(ledger)
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (performance.now() - start) / calls
}

const short = (events: number) => events.toExponential().replace('e+', 'e')

/** What the same work on the same hot set costs with many events stored beside it, and with few. */
export async function growthFigures(stage: Stage, { rounds, stored: many, goOn }: Settings): Promise<readonly Figure[]> {
  const url = await stage.postgres()
  const ledgers = { few: await openItems(url, await stored(url, few)), many: await openItems(url, await stored(url, many)) }
  try {
    const figures: Figure[] = []
    for (const [what, work] of Object.entries(works)) {
      for (const ledger of Object.values(ledgers)) await each(ledger, { ...work, calls: Math.ceil(work.calls / 10) })
      const contenders = Object.entries(ledgers).map(([name, ledger]) => ({ name, run: () => each(ledger, work) }))
      const measured = await alternate(rounds, contenders, goOn)
      const control = { name: `at ${short(few)}`, values: measured.get('few') ?? [] }
      const figure = figureOf(`${what}, ${short(many)} events stored`, 'ms', measured.get('many') ?? [], control)
      figures.push(aimed(figure, atMost(many > 1e6 ? 1.5 : 1.2)))
    }
    return figures
  } finally {
    await Promise.all(Object.values(ledgers).map((ledger) => ledger.close()))
  }
}
