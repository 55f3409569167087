import { expect, test } from 'vitest'
import { Gathered, together } from './gathered.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A look-up that answers when it is told to. */
function held(atOnce?: number) {
  const asked: (readonly number[])[] = []
  const answers: PromiseWithResolvers<ReadonlyMap<number, string>>[] = []
  const gathered = new Gathered<number, string>(
    turn,
    (keys) => {
      asked.push(keys)
      const answer = Promise.withResolvers<ReadonlyMap<number, string>>()
      answers.push(answer)
      return answer.promise
    },
    atOnce,
  )
  return { gathered, asked, answers }
}

test('what is asked for at once is one look-up, each key in it once', async () => {
  const { gathered, asked, answers } = held()
  const all = Promise.all([1, 2, 2, 3].map((key) => gathered.find(key)))
  await turn()
  answers[0]?.resolve(new Map([[2, 'two']]))
  expect(await all).toEqual([undefined, 'two', 'two', undefined])
  expect(asked).toEqual([[1, 2, 3]])
})

test('what is asked for during a look-up waits for the next, also for the same key', async () => {
  const { gathered, asked, answers } = held()
  const first = gathered.find(1)
  await turn()
  const second = Promise.all([gathered.find(1), gathered.find(2)])
  answers[0]?.resolve(new Map())
  expect(await first).toBeUndefined()
  await turn()
  answers[1]?.resolve(new Map([[1, 'since']]))
  expect(await second).toEqual(['since', undefined])
  expect(asked).toEqual([[1], [1, 2]])
})

test('keys that are asked for together are answered together, and as many as one look-up takes', async () => {
  const { gathered, asked, answers } = held()
  const many = Array.from({ length: 4_999 }, (_, n) => n)
  const all = [gathered.findAll(many), gathered.findAll([7]), gathered.findAll([8, 5_000])]
  await turn()
  expect(asked.map(({ length }) => length)).toEqual([4_999])
  answers[0]?.resolve(new Map([[7, 'seven']]))
  expect((await all[1])?.get(7)).toBe('seven')
  await turn()
  expect(asked[1]).toEqual([8, 5_000])
  answers[1]?.resolve(new Map())
  await Promise.all(all)
})

test('a look-up that fails fails for who asked, and the next one is made', async () => {
  const { gathered, answers } = held()
  const first = gathered.find(1)
  await turn()
  const second = gathered.find(2)
  answers[0]?.reject(new Error('away'))
  await expect(first).rejects.toThrow('away')
  await turn()
  answers[1]?.resolve(new Map([[2, 'two']]))
  expect(await second).toBe('two')
})

test('where several may be on their way what is asked for during one does not wait for it', async () => {
  const { gathered, asked, answers } = held(2)
  const all = [gathered.find(1)]
  await turn()
  all.push(gathered.find(2))
  await turn()
  all.push(gathered.find(3))
  await turn()
  expect(asked).toEqual([[1], [2]])
  answers[1]?.resolve(new Map([[2, 'two']]))
  expect(await all[1]).toBe('two')
  await turn()
  expect(asked).toEqual([[1], [2], [3]])
  answers[0]?.resolve(new Map())
  answers[2]?.resolve(new Map())
  expect(await Promise.all(all)).toEqual([undefined, 'two', undefined])
})

test('a look-up that hangs holds up nobody who asks later', async () => {
  const asked: (readonly number[])[] = []
  const gathered = together((keys: readonly number[]) => {
    asked.push(keys)
    return asked.length === 1 ? new Promise<ReadonlyMap<number, string>>(() => undefined) : Promise.resolve(new Map([[2, 'two']]))
  })
  for (const key of [1, 2]) void gathered.find(key)
  await turn()
  expect(await gathered.find(2)).toBe('two')
  expect(asked).toEqual([[1, 2], [2]])
})
