import { eventually } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import { newGroup, numbered, patience, Reader, record, type Stage } from './stage.ts'

/** Stopping, closing, and an engine that goes away. */
export function endingSuite(stage: Stage): void {
  describe('the end', () => {
    test('stop waits for the batch being handled, tells its signal, and hands over nothing more', async () => {
      const name = await stage.topic(1)
      const { promise: gate, resolve: pass } = Promise.withResolvers<void>()
      let signal: AbortSignal | undefined
      const reader: Reader = await stage.read([name], {
        handle: async (batch, control) => {
          signal = control.signal
          await gate
          reader.keep(batch)
        },
      })
      await stage.bus.send(name, numbered(0, 1, 0))
      await eventually(() => signal, patience)
      const stopping = reader.consumer?.stop()
      await eventually(() => signal?.aborted, patience)
      expect(reader.seen).toEqual([])
      pass()
      await stopping
      expect(reader.keys()).toEqual(['k0'])
      await stage.bus.send(name, numbered(1, 1, 0))
      expect(reader.keys()).toEqual(['k0'])
    })

    test('close ends consumers and refuses what comes after', async () => {
      const name = await stage.topic(1)
      const own = await stage.open()
      const reader = await new Reader().join(own, [name], newGroup())
      await own.send(name, numbered(0, 1, 0))
      await reader.until(() => reader.seen.length === 1)
      await own.close()
      expect(reader.signals.every((signal) => signal.aborted)).toBe(true)
      await expect(own.send(name, numbered(1, 1, 0))).rejects.toMatchObject({ code: 'closed' })
      await expect(own.bounds(name)).rejects.toMatchObject({ code: 'closed' })
    })

    test('close is prompt with a consumer that waits for a retry', async () => {
      const name = await stage.topic(1)
      const own = await stage.open()
      const reader = await new Reader(new Map(), { handle: () => Promise.reject(new Error('never')) }).join(own, [name], 'group-never')
      await own.send(name, numbered(0, 1, 0))
      await reader.until(() => reader.errors.length > 0)
      await own.close()
      const errors = reader.errors.length
      await stage.bus.send(name, numbered(1, 1, 0))
      expect(reader.errors.length).toBe(errors)
    })
  })

  test('an engine that goes and comes back: what was acknowledged is there, and readers go on', async () => {
    const name = await stage.topic(2)
    const own = await stage.open()
    const reader = await new Reader().join(own, [name], newGroup())
    await own.send(name, numbered(0, 2, 0))
    await reader.until(() => reader.seen.length === 2)

    const acknowledged: string[] = []
    let over = false
    const producing = (async () => {
      for (let index = 0; !over; index += 1) {
        const one = record(`s${index}`, index % 2)
        // Sent again until it is acknowledged, as the relay does.
        await eventually(() => own.send(name, [one]), { within: 60_000, every: 50 })
        acknowledged.push(one.key)
      }
    })()
    await eventually(() => acknowledged.length >= 5, patience)
    await stage.harness.disturb()
    const then = acknowledged.length
    await eventually(() => acknowledged.length >= then + 5, { within: 60_000 })
    over = true
    await producing
    await eventually(() => acknowledged.every((key) => reader.keys().includes(key)), { within: 90_000 })
    for (const partition of [0, 1]) {
      const offsets = reader.seen.filter((one) => one.partition === partition).map(({ offset }) => Number(offset))
      expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, index) => index))
      const first = [...new Set(reader.keys(partition).filter((key) => key.startsWith('s')))]
      expect(first.map((key) => Number(key.slice(1)))).toEqual(first.map((_, index) => index * 2 + partition))
    }
  }, 180_000)
}
