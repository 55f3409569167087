import { tell } from '@rondo/kernel'
import { afterEach, describe, expect, test } from 'vitest'
import { engines, type Opening, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'

const opened: OpenLedger[] = []
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
})

describe.each(engines)('a larger partition plan on $name', (engine) => {
  engine.needs()
  const opening = async (fresh: Opening, partitions: number) => {
    const ledger = await fresh({ partitions })
    opened.push(ledger)
    return ledger
  }
  const ids = Array.from({ length: 24 }, (_, n) => `o-${n}`)
  const countAll = (ledger: OpenLedger) => Promise.all(ids.map((id) => ledger.submit(unit([tell(order, id, 'count', 1)]))))

  test('tells, with the first event in each partition, what has to be read before it', async () => {
    const fresh = await engine.fresh()
    const old = await opening(fresh, 2)
    await countAll(old)
    const tails = (await old.database.store.standing()).tails
    const grown = await opening(fresh, 6)
    // Who was there before goes on, by the new plan
    await countAll(old)
    await countAll(grown)
    const events = await grown.chained(0, 1_000)
    expect(events.filter(({ event }) => event.position <= 24).map(({ after }) => after)).toEqual(Array(24).fill(undefined))
    const later = events.filter(({ event }) => event.position > 24)
    expect(new Set(later.map(({ event }) => event.partition)).size).toBe(6)
    for (let partition = 0; partition < 6; partition++) {
      const own = later.filter(({ event }) => event.partition === partition)
      expect(own.map(({ after }) => after)).toEqual([[...tails], ...Array(own.length - 1).fill(undefined)])
    }
  })

  test('what names the ends of the plan before is not sent as it was written, which does not know them', async () => {
    const fresh = await engine.fresh()
    await countAll(await opening(fresh, 2))
    const grown = await opening(fresh, 6)
    const asWritten: number[] = []
    grown.onCommit((position, written) => {
      if (written) asWritten.push(position)
    })
    for (const id of ids) await grown.submit(unit([tell(order, id, 'count', 1)]))
    const plain = (await grown.chained(24, 100)).filter(({ after }) => !after).map(({ event }) => event.position)
    expect(plain).toHaveLength(ids.length - 6)
    expect(asWritten).toEqual(plain)
  })

  test('is begun once, by however many, and never made smaller', async () => {
    const fresh = await engine.fresh()
    await countAll(await opening(fresh, 2))
    await Promise.all([opening(fresh, 4), opening(fresh, 4)])
    const again = await opening(fresh, 4)
    await expect(opening(fresh, 2)).rejects.toThrow('4 partitions, not 2: the count can only grow')
    await countAll(again)
    const later = (await again.chained(24, 100)).filter(({ after }) => after)
    expect(later).toHaveLength(4)
  })
})
