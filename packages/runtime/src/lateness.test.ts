import { expect, test } from 'vitest'
import { loopLateness } from './lateness.ts'

/** Turns of the event loop that take so long each. */
async function busy(turns: number, ms: number): Promise<void> {
  for (let n = 0; n < turns; n++) {
    const end = performance.now() + ms
    while (performance.now() < end);
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

test('it is how long a turn of the event loop takes, and nothing while nobody wants to know', async () => {
  const lateness = loopLateness()
  await busy(5, 60)
  expect(lateness.sinceLast(true)).toBe(0)
  await busy(10, 60)
  expect(lateness.sinceLast(false)).toBeGreaterThan(30)
  await busy(5, 60)
  expect(lateness.sinceLast(true)).toBe(0)
})
