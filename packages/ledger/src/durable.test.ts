import { ask, tell } from '@rondo/kernel'
import { project } from '@rondo/reaction'
import { expect, test } from 'vitest'
import { unit } from '../test/fixture.ts'
import { fact, order } from '../test/order-stream.ts'
import { openLedgerOn } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'
import type { Store } from './store.ts'

/** A ledger, and of each batch that was written whether it waited for the disk. */
async function watched() {
  const database = new ModelDatabase()
  const model = modelStore({ database })
  const waited: boolean[] = []
  const store: Store = {
    ...model,
    async append(rows) {
      const written = await model.append(rows)
      // Not of a guess that was refused: it is written once more, after a load
      waited.push(rows.durable)
      return written
    },
  }
  return { database, waited, ledger: await openLedgerOn({ service: 'testing', streams: [order], store }) }
}

const at = (position: number) => ({ source: 't', partition: 0, previous: position - 1, position, nextOffset: BigInt(position) })

test('waits for the disk with all that nobody would bring again: events, and what did not come from the bus', async () => {
  const { ledger, waited } = await watched()
  await ledger.submit(unit([tell(order, 'a', 'count', 1)], { remember: false, checkpoint: at(1) }))
  await ledger.submit(unit([tell(order, 'a', 'placed', { item: 'tea' })], { id: 'once' }))
  // Nothing to do: but its caller is told so, and the id is remembered
  await ledger.submit(unit([ask(order, 'a', 'close', { reason: 'r' })], { id: 'twice' }))
  await ledger.submit(unit([ask(order, 'a', 'close', { reason: 'r' })], { id: 'thrice' }))
  expect(waited).toEqual([true, true, true, true])
})

test('does not with what moves a checkpoint and holds no event: it is read again', async () => {
  const { ledger, waited, database } = await watched()
  await ledger.submit(unit([], { id: 'receipt', checkpoint: at(1) }))
  await ledger.submit(unit([], { remember: false, checkpoint: at(2) }))
  expect(waited).toEqual([false, false])
  database.crash()
  expect(await ledger.checkpoint('t', 0)).toBeUndefined()
  expect(await ledger.known('receipt')).toBeUndefined()
  // Whatever waits for the disk takes along what came before it
  await ledger.submit(unit([], { id: 'receipt', checkpoint: at(1) }))
  await ledger.submit(unit([tell(order, 'a', 'count', 1)], { remember: false, checkpoint: at(2) }))
  database.crash()
  expect((await ledger.checkpoint('t', 0))?.position).toBe(2)
  expect(await ledger.known('receipt')).toBeDefined()
})

test('rows of views wait', async () => {
  const { ledger, waited } = await watched()
  const projection = project(fact.counted, async () => undefined)
  const event = { ...(await ledger.submit(unit([tell(order, 'a', 'count', 1)]))).results[0]!.events[0]! }
  // The model knows no views: what counts is what it was asked for
  await ledger.submit(unit([], { remember: false, checkpoint: at(1), projections: [{ projection, event }] })).catch(() => undefined)
  expect(waited).toEqual([true, true])
})
