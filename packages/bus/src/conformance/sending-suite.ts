import { eventually } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import type { Place } from '../port.ts'
import { keysOf, numbered, patience, record, type Stage } from './stage.ts'

/** What sending promises. */
export function sendingSuite(stage: Stage): void {
  describe('sending', () => {
    test('keeps key, value, headers and order, and tells the places', async () => {
      const name = await stage.topic(2)
      const records = [record('a', 1), { ...record('b', 0), value: null }, record('c', 1, 'ä€'), record('d', 1)]
      const places = await stage.bus.send(name, records)
      expect(places).toEqual<Place[]>([
        { partition: 1, offset: 0n },
        { partition: 0, offset: 0n },
        { partition: 1, offset: 1n },
        { partition: 1, offset: 2n },
      ])
      const reader = await stage.read([name])
      await reader.until(() => reader.seen.length === 4)
      expect(reader.keys(1)).toEqual(['a', 'c', 'd'])
      const [first, tombstone] = [reader.seen.find(({ key }) => key === 'c'), reader.seen.find(({ key }) => key === 'b')]
      expect(Buffer.from(first?.value ?? []).toString()).toBe('ä€')
      expect(first?.headers).toEqual({ 'ce-id': 'c', text: 'ä€😀' })
      expect(tombstone?.value).toBeNull()
      expect(Math.abs((first?.timestamp.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
    })

    test('finds the partition of a key, the same from every bus', async () => {
      const name = await stage.topic(5)
      const keys = Array.from({ length: 30 }, (_, index) => ({ key: `stream-${index}`, value: null, headers: {} }))
      const [one, other] = [await stage.bus.send(name, keys), await (await stage.open()).send(name, keys)]
      expect(other.map(({ partition }) => partition)).toEqual(one.map(({ partition }) => partition))
      expect(new Set(one.map(({ partition }) => partition)).size).toBe(5)
    })

    test('is durable when it resolves: another bus reads it at once', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 3, 0))
      expect(await (await stage.open()).last(name, 0, 1)).toMatchObject([{ key: 'k2', offset: 2n, partition: 0, topic: name }])
    })

    test('a batch larger than the broker takes is cut, in order', async () => {
      const name = await stage.topic(1)
      await stage.harness.limit(name, 8192)
      const records = Array.from({ length: 12 }, (_, index) => record(`big-${index}`, 0, 'x'.repeat(2000)))
      const places = await (await stage.open()).send(name, records)
      expect(places.map(({ offset }) => offset)).toEqual(records.map((_, index) => BigInt(index)))
      const reader = await stage.read([name])
      await reader.until(() => reader.seen.length === 12)
      expect(reader.keys()).toEqual(keysOf(records))
    })

    test('a limit that was lowered after the first send is noticed', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 1, 0))
      await stage.harness.limit(name, 8192)
      const records = Array.from({ length: 12 }, (_, index) => record(`big-${index}`, 0, 'x'.repeat(2000)))
      await stage.bus.send(name, records)
      expect(await stage.bus.bounds(name)).toEqual([{ partition: 0, first: 0n, next: 13n }])
    })

    test('a record over the limit is refused with its size, and nothing of its batch is sent', async () => {
      const name = await stage.topic(1)
      await stage.harness.limit(name, 8192)
      const other = await stage.open()
      await expect(other.send(name, [record('small', 0), record('large', 0, 'x'.repeat(20_000))])).rejects.toMatchObject({
        code: 'too_large',
        details: {
          key: 'large',
          index: 1,
          limit: await other.limit(name),
          bytes: expect.any(Number),
          wanted: expect.stringContaining(name),
        },
      })
      expect(await other.limit(name)).toBeLessThan(8192)
      expect(await other.last(name, 0, 1)).toEqual([])
      await other.send(name, [record('small', 0)])
      expect(await other.last(name, 0, 1)).toMatchObject([{ key: 'small' }])
    })

    test('a limit that was raised after a refusal is noticed at once', async () => {
      const name = await stage.topic(1)
      await stage.harness.limit(name, 8192)
      const other = await stage.open()
      const large = [record('large', 0, 'x'.repeat(20_000))]
      await expect(other.send(name, large)).rejects.toMatchObject({ code: 'too_large' })
      await stage.harness.limit(name, 80_000)
      // A broker may take a moment to know of it
      await eventually(() => other.send(name, large), patience)
    })

    test('two producers committing in any order leave no gap and turn nothing round', async () => {
      const name = await stage.topic(2)
      const producers = [stage.bus, await stage.open()]
      const reader = await stage.read([name])
      const sends = producers.flatMap((one, index) =>
        Array.from({ length: 40 }, (_, at) => one.send(name, [record(`${index}-${at}`, at % 2), record(`${index}-${at}+`, at % 2)])),
      )
      const places = (await Promise.all(sends)).flat()
      for (const partition of [0, 1]) {
        const offsets = places.filter((place) => place.partition === partition).map(({ offset }) => Number(offset))
        expect(offsets.sort((one, other) => one - other)).toEqual(Array.from({ length: 80 }, (_, index) => index))
      }
      await reader.until(() => reader.seen.length >= 160)
      for (const partition of [0, 1]) {
        const own = reader.seen.filter((one) => one.partition === partition)
        expect(own.map(({ offset }) => Number(offset))).toEqual(Array.from({ length: 80 }, (_, index) => index))
        for (const index of [0, 1]) {
          const turns = own.filter(({ key }) => key.startsWith(`${index}-`) && !key.endsWith('+')).map(({ key }) => Number(key.slice(2)))
          expect(turns).toEqual([...turns].sort((one, other) => one - other))
        }
      }
    })
  })
}
