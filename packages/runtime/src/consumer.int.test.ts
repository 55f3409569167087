import { realClock } from '@rondo/bus'
import { DomainError } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { eventually } from '@rondo/testkit'
import { describe, expect, test } from 'vitest'
import {
  box,
  consume,
  consumer,
  event,
  foreign,
  ledger,
  newer,
  put,
  puts,
  record,
  seen,
  send,
  standsStill,
  texts,
  topic,
} from '../test/tally.ts'
import { storedWithinMs } from './consumer-parts.ts'

describe('facts of another ledger', () => {
  const hasty = { ...realClock, aside: (ms: number, run: () => void) => realClock.aside(ms / 100, run) }
  test.each([
    ['before those of a new epoch', realClock, [record(put(4), 3, 2)], ['4']],
    ['although nothing new comes', hasty, [], []],
  ] as const)('are read again where the database went back under a reader, %s', async (_, clock, more, last) => {
    await send(record(put(1)), record(put(2)), record(put(3)))
    await consume({}, ledger, undefined, clock)
    await seen(['1', '2', '3'])
    await ledger.sql('update checkpoint set (position, next_offset) = (1, 1)')
    await send(...more)
    await seen(['1', '2', '3', '2', '3', ...last])
  })

  test('are applied once, in order, whatever comes again', async () => {
    await send(record(put(1)), record(put(2)), record(put(1)), record(put(2)), record(put(3)))
    await consume()
    await seen(['1', '2', '3'])
    await consumer?.stop()
    await send(record(put(3)), record(put(4)))
    let read = 0
    await consume({}, ledger, (count) => {
      read += count
    })
    await seen(['1', '2', '3', '4'])
    // Again, and nothing behind it: it is no gap
    const before = read
    await send(record(put(4)))
    await eventually(() => read > before, { within: 10_000 })
    await send(record(put(5)))
    await seen(['1', '2', '3', '4', '5'])
    expect(consumer?.paused).toEqual([])
    expect(read).toBe(before + 2)
  })

  test('of no interest only move the checkpoint', async () => {
    await send(...Array.from({ length: 50 }, (_, n) => record(event(n + 1, {}, { type: foreign.ignored.base }))), record(put(51)))
    await consume()
    await seen(['51'])
    await send(record(event(52, {}, { type: foreign.ignored.base })))
    await eventually(async () => (await ledger.checkpoint(`${topic}#1`, 0))?.position === 52, { within: 10_000 })
  })

  test('of no interest are stored together, while they come one by one', async () => {
    let [commits, read] = [0, 0]
    const submit: OpenLedger['submit'] = (unit) => {
      commits += 1
      return ledger.submit(unit)
    }
    const begin = performance.now()
    await consume({}, { ...ledger, submit }, (count) => {
      read += count
    })
    for (let n = 1; n <= 30; n += 1) {
      await send(record(event(n, {}, { type: foreign.ignored.base })))
      await eventually(() => read === n, { within: 10_000, every: 1 })
    }
    await eventually(async () => (await ledger.checkpoint(`${topic}#1`, 0))?.position === 30, { within: 10_000 })
    expect(commits).toBeLessThanOrEqual((performance.now() - begin) / storedWithinMs + 1)
  })

  test('a lost wake-up: of no interest behind one that takes long, they are stored though nothing follows them', async () => {
    const held = Promise.withResolvers<void>()
    const submit: OpenLedger['submit'] = async (unit) => {
      const applied = await ledger.submit(unit)
      if (unit.id === put(1).id) await held.promise
      return applied
    }
    await send(record(put(1)), record(event(2, {}, { type: foreign.ignored.base })))
    await consume({}, { ...ledger, submit })
    await seen(['1'])
    // It is asked for while the batch is still on its way
    const since = performance.now()
    await eventually(() => performance.now() - since > 2 * storedWithinMs, { within: 10_000 })
    held.resolve()
    await eventually(async () => (await ledger.checkpoint(`${topic}#1`, 0))?.position === 2, { within: 10_000 })
  })

  test('of no interest that could not be stored are stored later, though nothing follows them', async () => {
    let refused = 0
    const submit: OpenLedger['submit'] = async (unit) => {
      if (unit.messages.length > 0 || ++refused > 2) return ledger.submit(unit)
      throw new DomainError('unavailable', 'not now')
    }
    await send(record(put(1)), record(event(2, {}, { type: foreign.ignored.base })))
    await consume({}, { ...ledger, submit })
    await eventually(async () => (await ledger.checkpoint(`${topic}#1`, 0))?.position === 2, { within: 10_000 })
    expect(refused).toBe(3)
    expect(await texts()).toEqual(['1'])
    expect(consumer?.paused).toEqual([])
  })

  test('a checkpoint that moves during catch-up: what another owner has applied meanwhile is not applied again', async () => {
    let moved = false
    const submit: OpenLedger['submit'] = async (unit) => {
      if (unit.id === put(5).id && !moved) {
        moved = true
        await ledger.submit(unit)
      }
      return ledger.submit(unit)
    }
    const ten = Array.from({ length: 10 }, (_, n) => n + 1)
    await send(...ten.map((position) => record(put(position))))
    await consume({}, { ...ledger, submit })
    await eventually(async () => (await ledger.checkpoint(`${topic}#1`, 0))?.position === 10, { within: 10_000 })
    expect(await texts()).toEqual(ten.map(String))
  })

  test('a gap that fills later is read once: what is missing stops the partition with the command that brings it back', async () => {
    await send(record(put(1)), record(put(4), 3))
    await consume()
    const { reason } = await standsStill(/read up to position 1, the first that is there behind it is 4/)
    expect(reason).toContain('"rondo replay builds --partition 0 --from 2" closes the gap')
    expect(await texts()).toEqual(['1'])
    await send(record(put(2)), record(put(3)), record(put(4)))
    consumer?.resume(topic, 0)
    await seen(['1', '2', '3', '4'])
  })

  test('are found again where the stored offset no longer fits', async () => {
    await send(record(put(1)), record(put(2)), record(put(3)))
    await consume()
    await seen(['1', '2', '3'])
    await consumer?.stop()
    for (const offset of [99, 0]) {
      await ledger.sql('update checkpoint set next_offset = $1', [offset])
      await send(record(put(offset === 99 ? 4 : 5)))
      await consume()
      await eventually(async () => (await texts()).length === (offset === 99 ? 4 : 5), { within: 10_000 })
      await consumer?.stop()
    }
    expect(await texts()).toEqual(['1', '2', '3', '4', '5'])
  })

  test('of a raised epoch go on from what is known', async () => {
    await send(
      record(put(1)),
      record(put(2)),
      record(put(3)),
      record(put(2, 'other', { id: '00000000-0000-5000-8000-999999999999' }), 1, 2),
      record(put(3, 'next', { id: '00000000-0000-5000-8000-999999999998' }), 2, 2),
    )
    await consume()
    await seen(['1', '2', '3', 'other', 'next'])
  })

  test('of a newer version wait for a newer program and are not parked', async () => {
    await send(record(put(1)), record(event(2, { to: ['a'], text: '2', more: 'x' }, { schemaVersion: 2 })), record(put(3)))
    await consume()
    await standsStill(/known? it up to 1|knows it up to 1/)
    expect(await texts()).toEqual(['1'])
    expect(await ledger.parkedKeys()).toEqual([])
    await consumer?.stop()
    await consume({ reactions: [when(newer.recorded, ({ data }) => puts(data))] })
    await seen(['1', '2', '3'])
  })

  test('with more than 500 tells are done in steps, once each', async () => {
    const to = Array.from({ length: 1234 }, (_, n) => `box-${n}`)
    await send(record(event(1, { to, text: 'x' })))
    await consume()
    for (const id of ['box-0', 'box-700', 'box-1233']) await seen(['x'], id)
    expect((await ledger.head()).position).toBe(1234)
  })

  test('that another owner has parked meanwhile keep what follows them', async () => {
    const same = { streamId: 'c-1' }
    let parked = 0
    const submit: OpenLedger['submit'] = async (unit) => {
      // Another owner of the partition, which cannot apply what we can
      const { checkpoint } = unit
      if (checkpoint && parked++ === 0) await ledger.park({ key: 'change/c-1', event: put(1, '1', same), reason: 'a defect' }, checkpoint)
      return ledger.submit(unit)
    }
    await consume({}, { ...ledger, submit })
    await send(record(put(1, '1', same)), record(put(2, '2', same)), record(put(3)))
    await seen(['3'])
    expect(await ledger.parkedKeys()).toMatchObject([{ key: 'change/c-1', waiting: 2 }])
  })

  test('that do not fit their schema are parked with the reason', async () => {
    await send(record(event(1, { to: 'nobody' })), record(put(2)))
    await consume()
    await seen(['2'])
    expect(await ledger.parkedKeys()).toMatchObject([{ key: 'change/c-1', reason: expect.stringContaining('ZodError'), waiting: 1 }])
  })
})

describe('facts that are on their way together', () => {
  const many = Array.from({ length: 300 }, (_, n) => n + 1)
  const texts300 = many.map(String)
  /** Each says when it was read, and what it saw. */
  const spying = (fail: (position: number) => Error | undefined = () => undefined) => {
    const seenAt = new Map<string, number>()
    const reactions = [
      when(
        foreign.recorded,
        (_, read) => read.load(box, 'a'),
        ({ data, position, streamId }, { texts }) => {
          const error = fail(position)
          if (error) throw error
          seenAt.set(streamId + data.text, texts.length)
          return puts(data)
        },
      ),
    ]
    return { seenAt, reactions }
  }

  test('are stored in their order, each once; those of one stream see what the one before them left', async () => {
    await send(
      ...many.map((position) => record(put(position, String(position), { streamId: position % 50 === 0 ? 'same' : `c-${position}` }))),
    )
    const { seenAt, reactions } = spying()
    await consume({ reactions })
    await seen(texts300)
    for (const position of many.filter((one) => one > 50 && one % 50 === 0))
      expect(seenAt.get(`same${position}`)).toBeGreaterThanOrEqual(position - 50)
    // They did not wait for each other
    expect(many.some((position) => (seenAt.get(`c-${position}${position}`) ?? position) < position - 1)).toBe(true)
    expect((await ledger.checkpoint(`${topic}#1`, 0))?.position).toBe(300)
  })

  test('one that cannot be applied is parked, and all behind it are applied in order', async () => {
    await send(...many.map((position) => record(put(position))))
    const { reactions } = spying((position) => (position % 100 === 50 ? new TypeError('broken on purpose') : undefined))
    await consume({ reactions })
    await seen(texts300.filter((text) => Number(text) % 100 !== 50))
    expect((await ledger.parkedKeys()).map(({ key }) => key).sort()).toEqual(['change/c-150', 'change/c-250', 'change/c-50'])
    await eventually(async () => (await ledger.checkpoint(`${topic}#1`, 0))?.position === 300, { within: 10_000 })
  })

  test('one that cannot be applied now is tried again with all behind it', async () => {
    await send(...many.map((position) => record(put(position))))
    let times = 0
    const { reactions } = spying((position) => (position === 100 && ++times <= 2 ? new DomainError('unavailable', 'not now') : undefined))
    await consume({ reactions })
    await seen(texts300)
    expect(times).toBe(3)
    expect(await ledger.parkedKeys()).toEqual([])
  })
})
