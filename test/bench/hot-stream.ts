import { randomUUID } from 'node:crypto'
import { DomainError } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import { add, openNotes, rate } from './ledger.ts'
import { aimed, alternate, atLeast, type Figure, figureOf } from './measure.ts'

const callers = 64

/** Messages to one stream, from the writers in turn; counts those that were told to try again. */
function contended(writers: readonly OpenLedger[], told: { conflicts: number; calls: number }): () => Promise<number> {
  const hot = randomUUID()
  return async () => {
    const writer = writers[told.calls++ % writers.length]
    try {
      return writer ? await add(writer, hot) : 0
    } catch (error) {
      if (!(error instanceof DomainError && error.code === 'conflict')) throw error
      told.conflicts++
      return 0
    }
  }
}

/** Messages in a second to one stream: from one process, and from two that take it from each other. */
export async function hotStreamFigures(url: string, rounds: number, goOn?: () => boolean): Promise<readonly Figure[]> {
  const writers = [await openNotes(url), await openNotes(url)] as const
  const told = { conflicts: 0, calls: 0 }
  const alone = contended([writers[0]], { conflicts: 0, calls: 0 })
  const both = contended(writers, told)
  const measured = await alternate(
    rounds,
    [
      { name: 'different', run: () => rate(callers, () => add(writers[0], randomUUID())) },
      { name: 'one', run: () => rate(callers, alone) },
      { name: 'two', run: () => rate(callers, both) },
    ],
    goOn,
  )
  await Promise.all(writers.map((one) => one.close()))
  const of = (name: string) => measured.get(name) ?? []
  const control = { name: `own, ${callers} callers on different streams`, values: of('different') }
  const lost = `${told.conflicts} of ${told.calls} calls were told "conflict" after all tries`
  return [
    aimed(figureOf(`ledger, one hot stream, ${callers} callers`, 'messages/s', of('one'), control), atLeast(0.5)),
    figureOf(`ledger, one hot stream, ${callers} callers on two processes' writers`, 'messages/s', of('two'), control, lost),
  ]
}
