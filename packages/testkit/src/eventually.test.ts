import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'

test('returns the first value that is there', async () => {
  const values = [undefined, null, false, 0]
  expect(await eventually(() => values.shift(), { within: 1000, every: 1 })).toBe(0)
})

test('goes on past errors and tells the last one', async () => {
  let looks = 0
  const failing = eventually(
    () => {
      looks += 1
      throw new Error(`look ${looks}`)
    },
    { within: 20, every: 5 },
  )
  await expect(failing).rejects.toThrow(/not within 20 ms: the last look threw look \d/)
  expect(looks).toBeGreaterThan(1)
})

test('tells the last value', async () => {
  await expect(eventually(() => false, { within: 5, every: 1 })).rejects.toThrow('the last look gave false')
})
