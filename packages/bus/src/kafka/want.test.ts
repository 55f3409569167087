import { moduleOf, outlived } from '@rondo/testkit/outlived'
import { expect, test } from 'vitest'
import { Chunk } from './chunk.ts'
import { Want } from './want.ts'

const kilobytes = (from: number, next: number, size: number) => new Chunk(BigInt(from), BigInt(next), size << 10, [])

/** A want of which nothing is handled until it is let go on. */
function stage(from: number, held = { bytes: 0 }) {
  const skipped: bigint[] = []
  const told: string[] = []
  let rooms = 0
  const sink = {
    deliver: async () => undefined,
    skip: (next: bigint) => void skipped.push(next),
    suspect: () => undefined,
    fault: () => undefined,
  }
  const want = new Want(BigInt(from), sink, held, () => {
    rooms += 1
  })
  return { want, held, skipped, told, sink, rooms: () => rooms }
}

/** As `stage`, but what it gets first is handled until `pass`. */
function standing(from: number, held = { bytes: 0 }) {
  const on = stage(from, held)
  const gate = Promise.withResolvers<void>()
  const delivered: [bigint, bigint][] = []
  Object.assign(on.sink, {
    deliver: (_: unknown, begin: bigint, end: bigint) => {
      delivered.push([begin, end])
      return gate.promise
    },
  })
  const base = { topic: 't', partition: 0, offset: BigInt(from), timestamp: 0, appended: undefined }
  const first = new Chunk(BigInt(from), BigInt(from + 1), 1 << 10, [{ base, last: BigInt(from), bytes: Buffer.alloc(0), count: 0 }])
  on.want.take(first)
  return { ...on, delivered, pass: gate.resolve }
}

test('what begins behind what it has, or holds nothing new, is not for it; what begins before is', () => {
  const { want } = stage(10)
  expect(want.fits(kilobytes(11, 20, 1), 11n)).toBe(false)
  expect(want.fits(kilobytes(5, 10, 1), 5n)).toBe(false)
  expect(want.fits(kilobytes(5, 11, 1), 5n)).toBe(true)
  want.take(kilobytes(5, 11, 1))
  expect(want.next).toBe(11n)
})

test('who stands still with one partition takes no more of it than a few hundred kilobytes, and goes on where it stopped', async () => {
  const { want, pass, rooms, skipped } = standing(0)
  let next = 1
  while (want.hasRoom) want.take(kilobytes(next, ++next, 100))
  expect(next).toBe(4)
  expect(want.fits(kilobytes(4, 9, 100), 1n)).toBe(false)
  // What it was asked for before others filled it
  expect(want.fits(kilobytes(4, 9, 100), 4n)).toBe(true)
  pass()
  await expect.poll(() => skipped).toEqual([3n, 4n])
  expect(rooms()).toBe(1)
  expect(want.hasRoom).toBe(true)
})

test('who stands still with many partitions holds a few megabytes of all of them', () => {
  const held = { bytes: 0 }
  const wants = Array.from({ length: 40 }, () => standing(0, held).want)
  for (const want of wants) if (want.hasRoom) want.take(kilobytes(1, 2, 250))
  expect(held.bytes / 1024).toBeLessThan(2048 + 250)
  expect(wants.some((want) => want.hasRoom)).toBe(false)
  // Others of the process are not held up
  expect(stage(0).want.hasRoom).toBe(true)
})

test('what waits for an ended want is for nobody, and is not held; what it is handling is, until that is done', async () => {
  const { want, held, pass, skipped, rooms } = standing(0)
  want.take(kilobytes(1, 2, 100))
  want.end()
  expect(held.bytes).toBe(1 << 10)
  expect(want.fits(kilobytes(2, 3, 1), 2n)).toBe(false)
  pass()
  await expect.poll(() => held.bytes).toBe(0)
  expect(skipped).toEqual([])
  expect(rooms()).toBeGreaterThan(0)
})

test('what cannot be had is told when all before it is handled, and nothing more is wanted until then', async () => {
  const { want, pass, skipped, told } = standing(0)
  want.take(kilobytes(1, 2, 1))
  want.break(() => told.push(`behind ${skipped.at(-1)}`))
  expect([want.hasRoom, told]).toEqual([false, []])
  pass()
  await expect.poll(() => told).toEqual(['behind 2'])
})

test('what was handed over is not held when it was handled', () => {
  const program = `
    const { Want } = await import('${moduleOf('./want.ts', import.meta.url)}')
    class Brought {
      constructor(n) {
        Object.assign(this, { from: BigInt(n), next: BigInt(n + 1), bytes: 1, held: new Array(100).fill(n) })
      }
      holds() {
        return true
      }
      *records() {
        yield this.held
      }
    }
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    let read = 0
    const deliver = async (records) => {
      for (const _ of records) read += 1
      await turn()
    }
    const want = new Want(0n, { deliver }, { bytes: 0 }, () => undefined)
    for (let n = 0; n < 30_000; n++) {
      want.take(new Brought(n))
      await turn()
    }
    await turn()
    if (read !== 30_000) throw new Error(read + ' were read')`
  // Of some 11 MB
  expect(outlived(program)).toBeLessThan(2_000_000)
})
