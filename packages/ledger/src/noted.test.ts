import { expect, test } from 'vitest'
import { unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import { openLedgerOn } from './index.ts'
import { ModelDatabase } from './model/database.ts'
import { modelStore } from './model/store.ts'
import type { Store } from './store.ts'

const noting = (partition: number, ...ids: readonly string[]) =>
  unit([], {
    remember: false,
    checkpoint: { source: 's', partition, previous: 0, position: ids.length, nextOffset: 0n },
    noted: ids.map((id) => ({ id, hash: `hash of ${id}` })),
  })

test('what another process notes between the look and the write is decided again', async () => {
  const database = new ModelDatabase()
  const model = modelStore({ database })
  const other = await openLedgerOn({ service: 'testing', streams: [order], store: modelStore({ database }) })
  let meanwhile: (() => Promise<unknown>) | undefined
  const store: Store = {
    ...model,
    async load(wanted) {
      const loaded = await model.load(wanted)
      const first = meanwhile
      meanwhile = undefined
      await first?.()
      return loaded
    },
  }
  const ledger = await openLedgerOn({ service: 'testing', streams: [order], store })
  meanwhile = () => other.submit(noting(0, 'a', 'b'))
  expect(await ledger.submit(noting(1, 'b', 'c'))).toEqual({ duplicate: false, results: [], repeated: 1 })
  expect([...(await ledger.knownOf(['a', 'b', 'c'])).values()].map(({ duplicates }) => duplicates)).toEqual([0, 1, 0])
})
