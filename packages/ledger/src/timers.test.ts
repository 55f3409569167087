import { tell } from '@rondo/kernel'
import { expect, test } from 'vitest'
import { service, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { openLedgerOn } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'

test('a timer that was taken back after it was found due is passed over, and is nobody’s defect', async () => {
  const errors: object[] = []
  const store = modelStore({ database: new ModelDatabase() })
  const stale = { stream: order.name, stream_id: 'o-1', tell: 'remind', due: '2026-01-01T00:00:00.000000Z' }
  const ledger = await openLedgerOn({
    service,
    streams: [order],
    store: { ...store, due: async () => [stale] },
    log: { info: () => undefined, warn: () => undefined, error: (fields) => errors.push(fields) },
  })
  await ledger.submit(unit([tell(order, 'o-1', 'count', 1)]))
  expect(await ledger.fireDue()).toBe(0)
  expect(errors).toEqual([])
  expect(await ledger.read.load(order, 'o-1')).toMatchObject({ count: 1 })
  await ledger.close()
})
