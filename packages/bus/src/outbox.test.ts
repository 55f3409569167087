import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BusError } from './error.ts'
import { bytesOf, fitting, Outbox, type Placed, type Store } from './outbox.ts'

const record = (key: string, size = 10) => ({ key, value: new Uint8Array(size), headers: {} })
const limits = { bytes: 100_000, records: 1000 }

/** A store that keeps what it is given, and refuses a batch over its limit as a broker does. */
function memory(partitions: number, maxBytes: { now: number; told: number }) {
  const requests: (readonly Placed[])[] = []
  const kept: Placed[] = []
  const store: Store = {
    facts: async (_, fresh) => {
      if (fresh) maxBytes.told = maxBytes.now
      return { partitions, maxBytes: maxBytes.told, setting: 'the limit' }
    },
    write: async (records) => {
      await new Promise(setImmediate)
      for (const batch of Map.groupBy(records, ({ partition }) => partition).values()) {
        if (batch.reduce((sum, { bytes }) => sum + bytes, 61) > maxBytes.now)
          throw new BusError('too_large', 'the broker refused the batch')
      }
      requests.push(records)
      kept.push(...records)
      return records.map((_, index) => BigInt(kept.length - records.length + index))
    },
  }
  return { store, requests, kept }
}

test('no request is over a limit, and nothing is lost or turned round', () => {
  const sizes = fc.array(fc.record({ partition: fc.integer({ min: 0, max: 2 }), bytes: fc.integer({ min: 36, max: 900 }) }), {
    minLength: 1,
  })
  fc.assert(
    fc.property(sizes, (given) => {
      const all = given.map((one) => ({ topic: 't', record: record('k'), ...one }))
      let rest = all
      const sent: Placed[] = []
      while (rest.length > 0) {
        const request = rest.slice(
          0,
          fitting(rest, () => 1000, { bytes: 2000, records: 5 }),
        )
        for (const batch of Map.groupBy(request, ({ partition }) => partition).values()) {
          expect(batch.reduce((sum, { bytes }) => sum + bytes, 100)).toBeLessThanOrEqual(1000)
        }
        expect(request.length).toBeLessThanOrEqual(5)
        sent.push(...request)
        rest = rest.slice(request.length)
      }
      expect(sent).toEqual(all)
    }),
  )
})

test('a record over the limit is refused before anything is sent', async () => {
  const { store, requests } = memory(1, { now: 1000, told: 1000 })
  const sending = new Outbox(store, limits).send('t', [record('small'), record('big', 2000), record('small')])
  await expect(sending).rejects.toMatchObject({ code: 'too_large', details: { key: 'big', index: 1, limit: 900 } })
  expect(requests).toEqual([])
})

test('a limit that was lowered in the meantime cuts the batch smaller', async () => {
  const { store, kept, requests } = memory(1, { now: 1000, told: 100_000 })
  const records = Array.from({ length: 12 }, (_, index) => record(`k${index}`, 200))
  const places = await new Outbox(store, limits).send('t', records)
  expect(kept.map(({ record: { key } }) => key)).toEqual(records.map(({ key }) => key))
  expect(places.map(({ offset }) => offset)).toEqual(records.map((_, index) => BigInt(index)))
  expect(requests.length).toBeGreaterThan(1)
})

test('a lowered limit that a record no longer fits refuses it, and not its neighbours in the same request', async () => {
  const { store, kept } = memory(1, { now: 1000, told: 100_000 })
  const outbox = new Outbox(store, limits)
  const results = await Promise.allSettled([record('a'), record('b', 2000), record('c'), record('d')].map((one) => outbox.send('t', [one])))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  expect(results[1]).toMatchObject({ reason: { code: 'too_large' } })
  expect(kept.map(({ record: { key } }) => key)).toEqual(['a', 'c', 'd'])
})

test('what comes while a request is under way goes together in the next', async () => {
  const { store, requests } = memory(4, { now: 100_000, told: 100_000 })
  const outbox = new Outbox(store, limits)
  await Promise.all(Array.from({ length: 50 }, (_, index) => outbox.send('t', [record(`k${index}`)])))
  expect(requests.length).toBeLessThan(10)
  expect(requests.flat()).toHaveLength(50)
})

test('what waits is bounded: who comes then is refused, what was taken is sent, and there is room again', async () => {
  const { store, kept } = memory(4, { now: 100 << 20, told: 100 << 20 })
  const outbox = new Outbox(store, { bytes: 8 << 20, records: 1000 })
  const large = (key: string) => outbox.send('t', [record(key, 6 << 20)])
  const results = await Promise.allSettled(Array.from({ length: 30 }, (_, index) => large(`k${index}`)))
  const refused = results.filter(({ status }) => status === 'rejected')
  expect(refused.length).toBeGreaterThan(15)
  for (const one of refused) expect(one).toMatchObject({ reason: { code: 'overloaded' } })
  expect(kept.length).toBe(30 - refused.length)
  await large('later')
  // Alone, also what is larger than all that may wait
  await outbox.send('t', [record('huge', 70 << 20)])
  expect(kept.length).toBe(32 - refused.length)
})

test('an unknown partition is refused with what there is', async () => {
  const { store } = memory(3, { now: 1000, told: 1000 })
  const sending = new Outbox(store, limits).send('t', [{ ...record('k'), partition: 3 }])
  await expect(sending).rejects.toThrow('record 0 (key k) names partition 3; t has 0 to 2')
})

test('the size counts bytes, not letters', () => {
  expect(bytesOf({ key: 'ä', value: null, headers: { h: '€' } }) - bytesOf({ key: '', value: null, headers: { h: '' } })).toBe(5)
})
