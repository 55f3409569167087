import { expect, test } from 'vitest'
import { Holders } from './holders.ts'

const row = (value: string, id: string) => ({
  stream: 'thing',
  name: 'label',
  value,
  id,
  is_unique: false,
  first_at: '2026-11-27T00:00:00.000000Z' as const,
})
const label = (value: string) => ({ stream: 'thing', name: 'label', value })
const isHeldBy = (holders: Holders, value: string, ids: readonly string[]) => holders.isStill({ ...label(value), ids })

test('of the values that were written only the latest are kept', () => {
  const holders = new Holders()
  for (let n = 0; n < 1_100; n++) holders.wrote({ keys: [row(`v${n}`, 'one')], keys_gone: [] })
  expect([isHeldBy(holders, 'v1099', ['one']), isHeldBy(holders, 'v0', ['one'])]).toEqual([true, false])
})

test('a value that is written again is kept for longer than those that are not', () => {
  const holders = new Holders()
  for (let n = 0; n < 1_100; n++) holders.wrote({ keys: [row(`v${n}`, 'one'), row('common', 'one')], keys_gone: [] })
  expect(isHeldBy(holders, 'common', ['one'])).toBe(true)
})

test('who holds a value that many hold is not kept', () => {
  const holders = new Holders()
  const ids = Array.from({ length: 17 }, (_, n) => `id-${String(n).padStart(2, '0')}`)
  for (const id of ids.slice(0, 16)) holders.wrote({ keys: [row('open', id)], keys_gone: [] })
  expect(isHeldBy(holders, 'open', ids.slice(0, 16))).toBe(true)
  holders.wrote({ keys: [row('open', ids[16] ?? '')], keys_gone: [] })
  expect(isHeldBy(holders, 'open', ids)).toBe(false)
})
