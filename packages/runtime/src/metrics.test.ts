import { expect, test } from 'vitest'
import { tallied } from './metrics.ts'

test('what is counted in one turn is added up by its name, and told at its end', async () => {
  const told: unknown[] = []
  const count = tallied({ add: (many, attributes) => void told.push([many, attributes]) }, (outcome) => ({ outcome }))
  const turn = () => new Promise(setImmediate)
  for (const outcome of ['applied', 'applied', 'duplicate', 'applied']) count(outcome)
  expect(told).toEqual([])
  await turn()
  const first = [
    [3, { outcome: 'applied' }],
    [1, { outcome: 'duplicate' }],
  ]
  expect(told).toEqual(first)
  count('applied')
  await turn()
  await turn()
  expect(told).toEqual([...first, [1, { outcome: 'applied' }]])
})
