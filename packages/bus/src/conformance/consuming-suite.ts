import { eventually } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { OffsetOutOfRange } from '../error.ts'
import type { PartitionControl } from '../port.ts'
import { keysOf, newGroup, numbered, patience, Reader, record, type Stage } from './stage.ts'

/** What a consumer can rely on. */
export function consumingSuite(stage: Stage): void {
  describe('consuming', () => {
    test('goes on from the stored offset', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 4, 0))
      const reader = await stage.read([name], {}, new Map([[`${name}/0`, 2n]]))
      await stage.bus.send(name, numbered(4, 2, 0))
      await reader.until(() => reader.seen.length >= 4)
      expect(reader.keys()).toEqual(['k2', 'k3', 'k4', 'k5'])
    })

    test('members share the partitions, and nothing is lost or read twice when they come and go', async () => {
      const name = await stage.topic(6)
      const group = newGroup()
      const positions = new Map<string, bigint>()
      const busy = new Map<number, string>()
      const overlaps: string[] = []
      const member = async (label: string): Promise<Reader> => {
        const reader: Reader = new Reader(positions, {
          handle: async (batch) => {
            const [first] = batch
            const partition = first?.partition ?? -1
            if (busy.has(partition)) overlaps.push(`${partition}: ${busy.get(partition)} and ${label}`)
            busy.set(partition, label)
            await new Promise(setImmediate)
            reader.keep(batch)
            busy.delete(partition)
          },
        })
        return reader.join(await stage.open(), [name], group)
      }
      let sent = 0
      const send = async (): Promise<void> => {
        await stage.bus.send(
          name,
          [0, 1, 2, 3, 4, 5].map((partition) => record(`k${sent}`, partition)),
        )
        sent += 1
      }
      const members = [await member('a')]
      const seen = () => members.flatMap((one) => one.seen)
      const all = () => seen().length >= sent * 6
      await send()
      await eventually(all, patience)
      members.push(await member('b'))
      // Until both read something, more is sent.
      await eventually(
        async () => {
          await send()
          return members.every((one) => one.seen.length > 0)
        },
        { within: 40_000, every: 100 },
      )
      await eventually(all, patience)
      await members[0]?.consumer?.stop()
      const before = members[1]?.seen.length ?? 0
      await send()
      await eventually(() => (members[1]?.seen.length ?? 0) - before >= 6, { within: 40_000 })
      expect(overlaps).toEqual([])
      for (const partition of [0, 1, 2, 3, 4, 5]) {
        const keys = seen()
          .filter((one) => one.partition === partition)
          .map(({ key }) => key)
        expect([...keys].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))).toEqual(
          Array.from({ length: sent }, (_, index) => `k${index}`),
        )
      }
    }, 120_000)

    test('a rejection stops its partition only, is told, and tried again until it succeeds', async () => {
      const name = await stage.topic(2)
      let broken = true
      const reader: Reader = await stage.read([name], {
        handle: async (batch) => {
          const [first] = batch
          if (broken && first?.partition === 0) throw new Error('the database is away')
          reader.keep(batch)
        },
      })
      await stage.bus.send(name, [...numbered(0, 3, 0), ...numbered(0, 3, 1)])
      await reader.until(() => reader.keys(1).length === 3 && reader.errors.length >= 2)
      expect(reader.errors[0]).toMatchObject({ error: { message: 'the database is away' }, topic: name, partition: 0 })
      expect(reader.keys(0)).toEqual([])
      await stage.bus.send(name, numbered(3, 1, 1))
      await reader.until(() => reader.keys(1).length === 4)
      await reader.until(() => reader.standing(0)?.includes('the database is away'))
      broken = false
      await reader.until(() => reader.keys(0).length === 3)
      expect(reader.keys(0)).toEqual(['k0', 'k1', 'k2'])
      expect(reader.standing(0)).toBeUndefined()
    })

    test('a retry goes on after what was written before the failure', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 3, 0))
      let failed = false
      const reader: Reader = await stage.read([name], {
        handle: async (batch) => {
          if (failed) return reader.keep(batch)
          failed = true
          reader.keep([...batch].slice(0, 1))
          throw new Error('half way')
        },
      })
      await reader.until(() => reader.seen.length === 3)
      expect(reader.keys()).toEqual(['k0', 'k1', 'k2'])
    })

    test('what fails between two batches is told, and goes on from where start says', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 3, 0))
      const batches: (readonly string[])[] = []
      let failed = false
      let control: PartitionControl | undefined
      const reader: Reader = await stage.read([name], {
        handle: async (batch, given) => {
          batches.push(keysOf([...batch]))
          if (failed) reader.keep(batch)
          control = given
        },
      })
      await reader.until(() => batches.flat().length === 3)
      failed = true
      control?.fail(new Error('it was not stored after all'))
      await reader.until(() => reader.keys().length === 3)
      expect(reader.errors).toMatchObject([{ error: { message: 'it was not stored after all' }, topic: name, partition: 0 }])
    })

    test('an error of start is told and tried again', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 1, 0))
      let asked = 0
      const reader = await stage.read([name], {
        start: async () => {
          asked += 1
          if (asked < 3) throw new Error('no offsets yet')
          return 0n
        },
      })
      await reader.until(() => reader.seen.length === 1)
      expect(reader.errors.map(({ error }) => error.message)).toEqual(['no offsets yet', 'no offsets yet'])
    })

    test('pause stands still with its reason until resume', async () => {
      const name = await stage.topic(2)
      const reader: Reader = await stage.read([name], {
        handle: async (batch, control) => {
          reader.keep(batch)
          if ([...batch].some(({ key }) => key === 'stop')) control.pause('a fact newer than we know')
        },
      })
      await stage.bus.send(name, [record('stop', 0)])
      await reader.until(() => reader.standing(0) === 'a fact newer than we know')
      await stage.bus.send(name, [record('later', 0), record('other', 1)])
      await reader.until(() => reader.keys(1).length === 1)
      expect(reader.keys(0)).toEqual(['stop'])
      reader.consumer?.resume(name, 0)
      await reader.until(() => reader.keys(0).length === 2)
      expect(reader.keys(0)).toEqual(['stop', 'later'])
      expect(reader.consumer?.paused).toEqual([])
    })

    test('pause wins over the retry of a batch that also failed', async () => {
      const name = await stage.topic(1)
      let broken = true
      const reader: Reader = await stage.read([name], {
        handle: async (batch, control) => {
          if (!broken) return reader.keep(batch)
          control.pause('not this one')
          throw new Error('cannot')
        },
      })
      await stage.bus.send(name, numbered(0, 2, 0))
      await reader.until(() => reader.standing(0) === 'not this one')
      expect(reader.errors.map(({ error }) => error.message)).toEqual(['cannot'])
      broken = false
      reader.consumer?.resume(name, 0)
      await reader.until(() => reader.keys().length === 2)
    })

    test('seek reads again from there', async () => {
      const name = await stage.topic(1)
      let sought = false
      const reader: Reader = await stage.read([name], {
        handle: async (batch, control) => {
          reader.keep(batch)
          if (!sought && [...batch].at(-1)?.key === 'k3') {
            sought = true
            control.seek(1n)
          }
        },
      })
      await stage.bus.send(name, numbered(0, 4, 0))
      await reader.until(() => reader.seen.length === 7)
      expect(reader.keys()).toEqual(['k0', 'k1', 'k2', 'k3', 'k1', 'k2', 'k3'])
    })

    test('`break` in a batch loop re-reads: what was not handled comes again when it is sought, nothing else does', async () => {
      const name = await stage.topic(1)
      let broken = false
      const reader: Reader = await stage.read([name], {
        handle: async (batch, control) => {
          for (const one of batch) {
            if (!broken && one.key === 'k2') {
              broken = true
              control.seek(one.offset)
              break
            }
            reader.keep([one])
          }
        },
      })
      await stage.bus.send(name, numbered(0, 4, 0))
      await reader.until(() => reader.seen.length === 4)
      await stage.bus.send(name, numbered(4, 1, 0))
      await reader.until(() => reader.seen.length >= 5)
      expect(reader.keys()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4'])
    })

    test('an offset that retention has passed is an error, not a jump; closing the gap goes on', async () => {
      const name = await stage.topic(2)
      await stage.bus.send(name, [...numbered(0, 4, 0), ...numbered(0, 1, 1)])
      await stage.harness.deleteRecords(name, 0, 3n)
      const reader = await stage.read([name], {}, new Map([[`${name}/0`, 1n]]))
      const told = await reader.until(() => reader.errors[0])
      expect(told.error).toBeInstanceOf(OffsetOutOfRange)
      expect((told.error as OffsetOutOfRange).range).toEqual({ topic: name, partition: 0, wanted: 1n, first: 3n, next: 4n })
      await reader.until(() => reader.keys(1).length === 1)
      expect(reader.standing(0)).toMatch(/offset 1 is wanted, there are 3 to 4/)
      expect(reader.keys(0)).toEqual([])
      reader.positions.set(`${name}/0`, 3n)
      reader.consumer?.resume(name, 0)
      await reader.until(() => reader.keys(0).length === 1)
      expect(reader.keys(0)).toEqual(['k3'])
    })

    test('an offset ahead of the end is an error too', async () => {
      const name = await stage.topic(1)
      await stage.bus.send(name, numbered(0, 2, 0))
      const reader = await stage.read([name], {}, new Map([[`${name}/0`, 7n]]))
      const told = await reader.until(() => reader.errors[0])
      expect(told).toMatchObject({ error: { code: 'offset_out_of_range', range: { wanted: 7n, first: 0n, next: 2n } } })
      await stage.bus.send(name, numbered(2, 8, 0))
      expect(reader.seen).toEqual([])
    })

    test('records deleted under a reader that stands still are noticed when it goes on', async () => {
      const name = await stage.topic(1)
      let away = true
      const reader: Reader = await stage.read([name], {
        handle: async (batch) => {
          if (away) throw new Error('away')
          reader.keep(batch)
        },
      })
      await stage.bus.send(name, numbered(0, 4, 0))
      reader.positions.set(`${name}/0`, 0n)
      await reader.until(() => reader.errors.length > 0)
      await stage.harness.deleteRecords(name, 0, 2n)
      away = false
      await reader.until(() => reader.errors.some(({ error }) => error instanceof OffsetOutOfRange))
      expect(reader.seen).toEqual([])
    })

    test('records deleted while a slow batch is being handled are an error, not a jump', async () => {
      const name = await stage.topic(1)
      const { promise: gate, resolve: pass } = Promise.withResolvers<void>()
      let begun = false
      const reader: Reader = await stage.read([name], {
        handle: async (batch) => {
          begun = true
          await gate
          reader.keep(batch)
        },
      })
      await stage.bus.send(name, numbered(0, 2, 0))
      await reader.until(() => begun)
      // More than whoever fetches ahead may hold by then
      for (let n = 2; n < 20; n++) await stage.bus.send(name, [record(`k${n}`, 0, 'x'.repeat(100_000))])
      await stage.harness.deleteRecords(name, 0, 18n)
      pass()
      const told = await reader.until(() => reader.errors[0])
      const wanted = reader.keys().length
      expect(told).toMatchObject({ error: { code: 'offset_out_of_range', range: { wanted: BigInt(wanted), first: 18n, next: 20n } } })
      await stage.bus.send(name, numbered(20, 1, 0))
      expect(reader.keys()).toEqual(keysOf(numbered(0, wanted, 0)))
      expect(wanted).toBeLessThan(18)
      expect(reader.standing(0)).toMatch(`offset ${wanted} is wanted`)
    })

    test('lag is told', async () => {
      const name = await stage.topic(1)
      const lags: bigint[] = []
      const reader = await stage.read([name], {
        onLag: (all) => lags.push(...all.filter((one) => one.position === 3n).map(({ lag }) => lag)),
      })
      await stage.bus.send(name, numbered(0, 3, 0))
      await eventually(() => lags.length > 0, patience)
      expect(lags[0]).toBe(0n)
      expect(reader.keys()).toHaveLength(3)
    })
  })
}
