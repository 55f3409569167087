import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('who waits for a turn together has it in the order of the places, each when the one before it has gone as far as it can', async () => {
  const turns = new Turns()
  const said: string[] = []
  const run = async (place: number, name: string) => {
    await turns.of(place).turn()
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
  await new Turns().of(0).turn()
  expect(said).toEqual(['ready'])
})
