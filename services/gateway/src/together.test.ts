import { expect, test } from 'vitest'
import { together } from './together.ts'

const turn = () => new Promise(setImmediate)

async function* numbers(count: number, read: (n: number) => void = () => undefined) {
  for (let n = 0; n < count; n++) {
    read(n)
    yield n
  }
}

async function all<T>(answers: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = []
  for await (const answer of answers) list.push(answer)
  return list
}

test('what comes at once goes together, and is answered in its order', async () => {
  const pieces: number[] = []
  const work = async (items: readonly number[]) => {
    pieces.push(items.length)
    return items.map((n) => n * 2)
  }
  expect(await all(together(numbers(1000), work, 100))).toEqual(Array.from({ length: 1000 }, (_, n) => n * 2))
  expect(pieces.length).toBeLessThan(100)
})

test('a piece that is late does not hold up the next, and its answers still come first', async () => {
  const slow = Promise.withResolvers<void>()
  const begun: number[] = []
  async function* later() {
    yield 1
    await turn()
    await turn()
    yield 2
  }
  const work = async (items: readonly number[]) => {
    begun.push(...items)
    if (items.includes(1)) await slow.promise
    else slow.resolve()
    return items
  }
  expect(await all(together(later(), work, 10))).toEqual([1, 2])
  expect(begun).toEqual([1, 2])
})

test('no more is read than may be open, as long as nobody takes the answers', async () => {
  let read = 0
  const answers = together(
    numbers(1000, () => read++),
    async (items) => items,
    16,
  )
  expect(await answers.next()).toEqual({ done: false, value: 0 })
  for (let n = 0; n < 20; n++) await turn()
  expect(read).toBeLessThanOrEqual(18)
  expect((await all(answers)).length).toBe(999)
})

test('work that fails, and a source that breaks, end the answers after those before', async () => {
  const failing = together(numbers(3), () => Promise.reject(new Error('no work')), 10)
  await expect(all(failing)).rejects.toThrow('no work')
  async function* broken() {
    yield 1
    throw new Error('cut off')
  }
  const answers = together(broken(), async (items) => items, 10)
  expect(await answers.next()).toEqual({ done: false, value: 1 })
  await expect(answers.next()).rejects.toThrow('cut off')
})
