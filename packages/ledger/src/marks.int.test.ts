import { tell } from '@rondo/kernel'
import { afterAll, describe, expect, test } from 'vitest'
import { engines, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'

describe.each(engines)('what was sent, on $name', (engine) => {
  let ledger: OpenLedger
  engine.needs().beforeAll(async () => {
    ledger = await (await engine.fresh())()
    for (let n = 0; n < 3; n++) await ledger.submit(unit([tell(order, 'o', 'count', 1)]))
  })
  afterAll(() => ledger?.close())

  /** Marks all up to the nth event. */
  async function mark(topic: string, n: number, { from = 0, holder = 'one', seconds = 60 } = {}) {
    const to = (await ledger.events(n - 1, 1))[0]
    if (!to) throw new Error(`there is no event ${n}`)
    return ledger.database.store.markSent(topic, holder, { from, to }, seconds)
  }
  const sent = async (topic: string, holder = 'one') => (await ledger.database.store.holdLease(topic, holder, 60)).sent

  test('is never less than it was', async () => {
    expect(await sent('again')).toBe(0)
    expect(await mark('again', 3)).toEqual({ marked: true, kept: true })
    expect(await mark('again', 2)).toEqual({ marked: true, kept: true })
    expect(await sent('again')).toBe(3)
  })

  test('is not marked where less was than was sent before it', async () => {
    expect(await sent('behind')).toBe(0)
    expect(await mark('behind', 1)).toMatchObject({ marked: true })
    expect(await mark('behind', 3, { from: 2 })).toEqual({ marked: false, kept: false })
    expect(await sent('behind')).toBe(1)
    expect(await mark('behind', 3, { from: 1 })).toMatchObject({ marked: true })
  })

  test('is marked by who does not hold the lease, too, which keeps nobody from it', async () => {
    // A lease that is over already
    await ledger.database.store.holdLease('lost', 'one', -1)
    expect(await mark('lost', 1, { holder: 'another', seconds: 3600 })).toEqual({ marked: true, kept: false })
    expect(await sent('lost', 'third')).toBe(1)
    expect(await sent('lost', 'another')).toBeUndefined()
  })
})
