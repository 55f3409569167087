import { expect, test } from 'vitest'
import { Spot } from './reader.ts'
import { Want } from './want.ts'

const sink = { deliver: async () => undefined, skip: () => undefined, suspect: () => undefined, fault: () => undefined }
const want = () => new Want(0n, sink, { bytes: 0 }, () => undefined)

test('a partition is wanted while one of its wants is not over, whether or not anybody leads it: else its leader would be looked for again and again', () => {
  const spot = new Spot('t', 0)
  expect(spot.isWanted).toBe(false)
  const [one, other] = [want(), want()]
  for (const each of [one, other]) spot.wants.add(each)
  one.end()
  expect([spot.isWanted, [...spot.wants]]).toEqual([true, [other]])
  other.end()
  expect([spot.isWanted, spot.wants.size]).toEqual([false, 0])
})
