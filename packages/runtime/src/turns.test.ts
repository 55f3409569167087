import { realClock } from '@rondo/bus'
import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('who waits for a turn together has it in the order of the places, each when the one before it has gone as far as it can', async () => {
  const turns = new Turns()
  const said: string[] = []
  const run = async (place: number, name: string) => {
    await turns.of(place).clock.turn()
    said.push(`${name} begins`)
    await Promise.resolve()
    await Promise.resolve()
    said.push(`${name} goes on`)
  }
  await Promise.all([run(2, 'last'), run(0, 'first'), run(1, 'second')])
  expect(said).toEqual(['first begins', 'first goes on', 'second begins', 'second goes on', 'last begins', 'last goes on'])
})

test('it comes when all that was ready has run', async () => {
  const said: string[] = []
  setImmediate(() => said.push('ready'))
  await new Turns().of(0).clock.turn()
  expect(said).toEqual(['ready'])
})

test('who comes later waits while a batch of an earlier one is on its way, and not the other way round', async () => {
  const turns = new Turns()
  const [first, second, third] = [0, 1, 2].map((place) => turns.of(place).way)
  const said: string[] = []
  second?.enter()
  const held = third?.clear().then(() => said.push('third'))
  await first?.clear()
  await second?.clear()
  said.push('first and second')
  second?.leave()
  await held
  expect(said).toEqual(['first and second', 'third'])
})

test('it waits for the last of those before it', async () => {
  const turns = new Turns()
  const [first, second, third] = [0, 1, 2].map((place) => turns.of(place).way)
  const said: string[] = []
  first?.enter()
  second?.enter()
  const held = third?.clear().then(() => said.push('third'))
  first?.leave()
  await realClock.turn()
  await realClock.turn()
  said.push('the first is gone')
  second?.leave()
  await held
  expect(said).toEqual(['the first is gone', 'third'])
})

test('it does not wait for longer than eight milliseconds, nor at all for what has taken as long', async () => {
  let at = 0
  let waited: readonly [ms: number, run: () => void][] = []
  const turns = new Turns({
    ...realClock,
    now: () => at,
    after(ms, run) {
      waited = [...waited, [ms, run]]
      return () => undefined
    },
  })
  turns.of(0).way.enter()
  at = 3
  const held = turns.of(1).way.clear()
  expect(waited.map(([ms]) => ms)).toEqual([8])
  at = 11
  waited[0]?.[1]()
  await held
  await turns.of(1).way.clear()
  expect(waited).toHaveLength(1)
})

test('who waited for the same batch goes on in the order of the places', async () => {
  const turns = new Turns()
  const said: number[] = []
  turns.of(0).way.enter()
  const held = [3, 1, 2].map((place) =>
    turns
      .of(place)
      .way.clear()
      .then(() => said.push(place)),
  )
  turns.of(0).way.leave()
  await Promise.all(held)
  expect(said).toEqual([1, 2, 3])
})
