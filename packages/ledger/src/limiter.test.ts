import { expect, test } from 'vitest'
import { limiter } from './limiter.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('no more than so many at a time', async () => {
  const limited = limiter(2)
  let running = 0
  let most = 0
  await Promise.allSettled(
    Array.from({ length: 9 }, (_, n) =>
      limited(async () => {
        most = Math.max(most, ++running)
        await turn()
        running -= 1
        if (n % 3 === 0) throw new Error('fails')
      }),
    ),
  )
  expect({ most, running }).toEqual({ most: 2, running: 0 })
})
