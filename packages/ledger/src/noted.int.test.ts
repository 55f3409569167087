import { tell } from '@rondo/kernel'
import { afterAll, describe, expect, test } from 'vitest'
import { engines, unit } from '../test/fixture.ts'
import { order } from '../test/order-stream.ts'
import type { OpenLedger } from './index.ts'

describe.each(engines)('a ledger on $name', (engine) => {
  let ledger: OpenLedger
  engine.needs().beforeAll(async () => {
    ledger = await (await engine.fresh())()
  })
  afterAll(() => ledger?.close())

  test('notes many by their ids at once, as units of their own would be known; of what another content came for, nothing', async () => {
    const source = 'noted/1'
    const at = (previous: number, position: number) => ({ source, partition: 0, previous, position, nextOffset: BigInt(position) })
    const noted = (...ids: readonly string[]) => ids.map((id) => ({ id, hash: `hash of ${id}` }))
    const read = (previous: number, position: number, ids: readonly { id: string; hash: string }[]) =>
      ledger.submit(unit([], { remember: false, checkpoint: at(previous, position), noted: ids }))
    await ledger.submit(unit([tell(order, 'n', 'count', 1)], { id: 'n-1', hash: 'hash of n-1' }))
    expect(await read(0, 4, noted('n-1', 'n-2', 'n-2', 'n-3'))).toEqual({ duplicate: false, results: [], repeated: 2 })
    expect(await read(0, 4, noted('n-1', 'n-2', 'n-2', 'n-3'))).toMatchObject({ duplicate: true })
    const found = await ledger.knownOf(['n-1', 'n-2', 'n-3', 'n-4'])
    expect(Object.fromEntries([...found].map(([id, { hash, duplicates }]) => [id, [hash, duplicates]]))).toEqual({
      'n-1': ['hash of n-1', 1],
      'n-2': ['hash of n-2', 1],
      'n-3': ['hash of n-3', 0],
    })
    await expect(read(4, 6, [...noted('n-4'), { id: 'n-2', hash: 'another' }])).rejects.toMatchObject({ code: 'id_reused' })
    await expect(read(4, 6, [...noted('n-4'), { id: 'n-4', hash: 'another' }])).rejects.toMatchObject({ code: 'id_reused' })
    expect(await ledger.known('n-4')).toBeUndefined()
    expect(await ledger.checkpoint(source, 0)).toMatchObject({ position: 4 })
    expect(await ledger.submit(unit([], { id: 'n-3', hash: 'hash of n-3' }))).toMatchObject({ duplicate: true, results: [] })
    await expect(ledger.submit(unit([], { id: 'n-3', hash: 'another' }))).rejects.toMatchObject({ code: 'id_reused' })
  })
})
