import { expect, test } from 'vitest'
import { Gathered } from './gathered.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A look-up that answers when it is told to. */
function held() {
  const asked: (readonly number[])[] = []
  const answers: PromiseWithResolvers<ReadonlyMap<number, string>>[] = []
  const gathered = new Gathered<number, string>(turn, (keys) => {
    asked.push(keys)
    const answer = Promise.withResolvers<ReadonlyMap<number, string>>()
    answers.push(answer)
    return answer.promise
  })
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
