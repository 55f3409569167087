import { eventually } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { newTopic, numbered, patience, record, type Stage } from './stage.ts'

/** Topics and their ends. */
export function topicSuite(stage: Stage): void {
  describe('topics', () => {
    test('are made once, also by several at once', async () => {
      const spec = { name: newTopic(), partitions: 3 }
      await Promise.all([(await stage.open()).ensure([spec]), (await stage.open()).ensure([spec]), stage.bus.ensure([spec])])
      expect(await stage.bus.bounds(spec.name)).toEqual([0, 1, 2].map((partition) => ({ partition, first: 0n, next: 0n })))
    })

    test('can grow, also by several at once, and keep what they hold; they cannot shrink', async () => {
      const name = await stage.topic(2)
      await stage.bus.send(name, numbered(0, 3, 1))
      const larger = { name, partitions: 4 }
      await Promise.all([(await stage.open()).ensure([larger]), stage.bus.ensure([larger])])
      expect((await stage.bus.bounds(name)).map(({ partition, next }) => [partition, next])).toEqual([
        [0, 0n],
        [1, 3n],
        [2, 0n],
        [3, 0n],
      ])
      await stage.bus.send(name, numbered(3, 5, 3))
      expect(await stage.bus.last(name, 3, 1)).toMatchObject([{ key: 'k7' }])
      await expect(stage.bus.ensure([{ name, partitions: 3 }])).rejects.toMatchObject({
        code: 'partition_mismatch',
        message: expect.stringContaining(`${name} has 4 partitions, 3 are wanted`),
      })
    })

    test('that are not there are named', async () => {
      await expect(stage.bus.send('rondo.test.nowhere', [record('k', 0)])).rejects.toMatchObject({ code: 'unknown_topic' })
      await expect(stage.bus.bounds('rondo.test.nowhere')).rejects.toMatchObject({ code: 'unknown_topic' })
      await expect(stage.bus.topicId('rondo.test.nowhere')).rejects.toMatchObject({ code: 'unknown_topic' })
    })

    test('have an identity that ends when they are made again', async () => {
      const name = await stage.topic(1)
      const before = await stage.bus.topicId(name)
      expect(await (await stage.open()).topicId(name)).toBe(before)
      await stage.harness.recreate({ name, partitions: 1 })
      expect(await eventually(async () => (await stage.bus.topicId(name)) !== before, patience)).toBe(true)
    })
  })

  describe('the ends of a partition', () => {
    test('bounds and the last record follow what is sent and deleted', async () => {
      const name = await stage.topic(2)
      expect(await stage.bus.last(name, 1, 1)).toEqual([])
      await stage.bus.send(name, numbered(0, 5, 1))
      expect(await stage.bus.bounds(name)).toEqual([
        { partition: 0, first: 0n, next: 0n },
        { partition: 1, first: 0n, next: 5n },
      ])
      expect(await stage.bus.last(name, 1, 1)).toMatchObject([{ key: 'k4', offset: 4n }])
      await stage.harness.deleteRecords(name, 1, 5n)
      expect(await stage.bus.bounds(name)).toContainEqual({ partition: 1, first: 5n, next: 5n })
      expect(await stage.bus.last(name, 1, 1)).toEqual([])
    })

    test('the last records come oldest first, without what they hold, at most so many', async () => {
      const name = await stage.topic(2)
      expect(await stage.bus.last(name, 1, 3)).toEqual([])
      await stage.bus.send(name, numbered(0, 3, 1))
      await stage.bus.send(name, numbered(3, 4, 1))
      const last = await (await stage.open()).last(name, 1, 3)
      expect(last.map(({ key, offset, partition, topic }) => [key, offset, partition, topic])).toEqual([
        ['k4', 4n, 1, name],
        ['k5', 5n, 1, name],
        ['k6', 6n, 1, name],
      ])
      expect(last.some((one) => 'value' in one)).toBe(false)
      expect(await stage.bus.last(name, 1, 100)).toHaveLength(7)
      await stage.harness.deleteRecords(name, 1, 6n)
      expect((await stage.bus.last(name, 1, 3)).map(({ key }) => key)).toEqual(['k6'])
      await expect(stage.bus.last(name, 2, 3)).rejects.toMatchObject({ code: 'partition_mismatch' })
    })

    test('large records at the end are all found', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(
        name,
        Array.from({ length: 12 }, (_, index) => record(`large-${index}`, 0, 'x'.repeat(900_000))),
      )
      expect((await stage.bus.last(name, 0, 10)).map(({ key }) => key)).toEqual(Array.from({ length: 10 }, (_, n) => `large-${n + 2}`))
    })

    test('a partition that does not exist is an error', async () => {
      await expect(stage.bus.last(await stage.topic(1), 1, 1)).rejects.toMatchObject({ code: 'partition_mismatch' })
    })
  })
}
