import { expect, test } from 'vitest'
import { Behind, InFlight, limiter } from './in-flight.ts'

/** Works that end when they are told to; what was done, in order. */
function stage(size: number) {
  const inFlight = new InFlight(size)
  const done: string[] = []
  const ends = new Map<string, PromiseWithResolvers<void>>()
  const add = (name: string, key = name) =>
    inFlight.add([key], async (turn) => {
      done.push(`begin ${name}`)
      const end = Promise.withResolvers<void>()
      ends.set(name, end)
      await turn.ahead.handed
      done.push(`hand ${name}`)
      turn.handOver()
      await end.promise
      done.push(`end ${name}`)
    })
  return {
    inFlight,
    add,
    done,
    end: (name: string) => ends.get(name)?.resolve(),
    fail: (name: string) => ends.get(name)?.reject(new Error(name)),
  }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('works begin together and are handed over in their order, whichever ends first', async () => {
  const { inFlight, add, done, end } = stage(3)
  await Promise.all([add('a'), add('b'), add('c')])
  await turn()
  end('c')
  end('b')
  end('a')
  await inFlight.drain()
  expect(done.filter((one) => one.startsWith('hand'))).toEqual(['hand a', 'hand b', 'hand c'])
  expect(done.indexOf('begin c')).toBeLessThan(done.indexOf('end a'))
})

test('one that has no room, or whose key is on its way, waits', async () => {
  const { add, done, end, inFlight } = stage(2)
  await add('a')
  const same = add('a again', 'a')
  await turn()
  expect(done).not.toContain('begin a again')
  end('a')
  await same
  await add('b')
  const third = add('c')
  await turn()
  expect(done).not.toContain('begin c')
  end('a again')
  await third
  for (const name of ['b', 'c']) end(name)
  await inFlight.drain()
  expect(done.at(-1)).toMatch(/^end/)
})

test('who is behind one that failed is told so; draining tells of the first failure, when all have ended', async () => {
  const { inFlight, add, fail, done, end } = stage(3)
  await add('a')
  const behind = Promise.withResolvers<unknown>()
  await inFlight.add(['b'], async ({ ahead }) => {
    await ahead.settled.catch(behind.resolve)
    throw new Error('b')
  })
  await add('c')
  await turn()
  fail('a')
  expect(await behind.promise).toBeInstanceOf(Behind)
  await turn()
  end('c')
  await expect(inFlight.drain()).rejects.toThrow('a')
  expect(done).toContain('end c')
  await inFlight.drain()
})

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
