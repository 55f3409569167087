import type { Bus } from '@rondo/bus'
import { type CloudEventRecord, toIntakeRecord, toRecord } from '@rondo/contracts/cloudevents'
import { DomainError, type Envelope, facts, stream, tell, versions } from '@rondo/kernel'
import type { OpenLedger } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from './config.ts'
import { type RunningConsumer, startConsumer } from './consumer.ts'
import { storedWithinMs } from './consumer-partition.ts'
import { openBus, openServiceLedger } from './engines.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'
import { retryParked, skipParked } from './operator.ts'
import { reactionTable } from './reaction-table.ts'
import type { Service } from './service.ts'
import { tracerOf } from './telemetry.ts'

const v1 = z.object({ to: z.array(z.string()), text: z.string() })
const outside = facts('rondo.intake.alert', { observed: v1 })
const unwanted = facts('rondo.intake.issue', { seen: v1 })
const foreign = facts('rondo.builds.change', { recorded: v1, ignored: z.object({}) })
const newer = facts('rondo.builds.change', { recorded: versions(v1, [v1.extend({ more: z.string() }), (old) => ({ ...old, more: '' })]) })

const fact = facts('rondo.tally.box', { put: z.object({ text: z.string() }) })
const box = stream('box', fact, { texts: [] as string[] })({
  fold: 1,
  asks: {},
  tells: { put: (_, { text }: { text: string }) => [fact.put({ text })] },
  evolve: { put: ({ texts }, { text }) => ({ texts: [...texts, text] }) },
  keys: {},
})
const puts = ({ to, text }: z.infer<typeof v1>) => to.map((id) => tell(box, id, 'put', { text }))
const service: Service = {
  name: 'tally',
  streams: [box],
  reactions: [when(outside.observed, ({ data }) => puts(data)), when(foreign.recorded, ({ data }) => puts(data))],
  rpc: {},
  onConflict: ({ id }) => [tell(box, 'conflicts', 'put', { text: id })],
}

const { met } = needs('postgres18')
const config = async () => readConfig({ RONDO_DATABASE_URL: await freshDatabase(), RONDO_PARTITIONS: '1' })
const lines: string[] = []
const log = createLog('warn', { write: (line: string) => lines.push(line) })
const topic = 'rondo.builds.v1'
let bus: Bus
let ledger: OpenLedger
let consumer: RunningConsumer | undefined

const consume = async (changed: Partial<Service> = {}, into = ledger, onRead: (count: number) => void = () => undefined) => {
  const told: Bus = {
    ...bus,
    consume: (options) => bus.consume({ ...options, handle: (...of) => options.handle(...of).then(() => onRead(of[0].length)) }),
  }
  const one = { ...service, ...changed }
  const spanning = { tracer: tracerOf('tally'), service: 'tally', group: 'rondo.tally', system: 'postgresql', publicUrl: '' }
  const parts = { ledger: into, bus: told, log, metrics: createMetrics(), spanning }
  consumer = await startConsumer({ service: one, table: reactionTable(one), ...parts })
}
beforeEach(async () => {
  if (!met) return
  const settings = await config()
  bus = await openBus([service], settings, log)
  ledger = await openServiceLedger(service, settings, log)
})
afterEach(async () => {
  await consumer?.stop()
  consumer = undefined
  await bus?.close()
  await ledger?.close()
})

const event = (position: number, data: object, changed: Partial<Envelope> = {}): Envelope => ({
  id: `00000000-0000-5000-8000-${String(position).padStart(12, '0')}`,
  stream: 'change',
  streamId: `c-${position}`,
  version: 1,
  position,
  partition: 0,
  type: foreign.recorded.base,
  schemaVersion: 1,
  data,
  occurredAt: '2026-11-25T09:00:00.000000Z',
  recordedAt: '2026-11-25T09:00:01.000000Z',
  actor: 'person:ada',
  correlationId: 'c',
  causationId: 'c',
  loopIds: [],
  ...changed,
})
const put = (position: number, text = String(position), changed: Partial<Envelope> = {}) => event(position, { to: ['a'], text }, changed)
const record = (one: Envelope, previous = one.position - 1, epoch = 1) => toRecord(one, { previous, epoch })
const send = (...records: readonly CloudEventRecord[]) => bus.send(topic, records)
const texts = async (id = 'a') => (await ledger.read.load(box, id)).texts
const seen = (expected: readonly string[], id = 'a') =>
  eventually(async () => JSON.stringify(await texts(id)) === JSON.stringify(expected), { within: 10_000 })
const standsStill = (reason: RegExp) => eventually(() => consumer?.paused.find((one) => reason.test(one.reason)), { within: 10_000 })

describe('facts of another ledger', () => {
  test('are applied once, in order, whatever comes again', async () => {
    await send(record(put(1)), record(put(2)), record(put(1)), record(put(2)), record(put(3)))
    await consume()
    await seen(['1', '2', '3'])
    await consumer?.stop()
    await send(record(put(3)), record(put(4)))
    await consume()
    await seen(['1', '2', '3', '4'])
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

describe('intake', () => {
  const observed = (id: string, text: string, type = outside.observed.base) => {
    const {
      stream: _1,
      streamId: _2,
      version: _3,
      position: _4,
      partition: _5,
      recordedAt: _6,
      ...rest
    } = event(1, { to: ['a'], text }, { type, id })
    return toIntakeRecord({ ...rest, key: id })
  }
  const sendIntake = (...records: readonly CloudEventRecord[]) => bus.send('rondo.intake.v1', records)
  const [one, two, three] = ['a', 'b', 'c'].map((last) => `00000000-0000-5000-8000-00000000000${last}`) as [string, string, string]

  test('is taken once by its id; another content is a conflict, and the first stands', async () => {
    await sendIntake(observed(one, 'first'), observed(one, 'first'), observed(one, 'other'), observed(two, 'second'))
    await consume()
    await seen(['first', 'second'])
    await seen([one], 'conflicts')
    expect(await ledger.known(one)).toMatchObject({ duplicates: 1, conflicts: 1 })
    await consumer?.stop()
    await sendIntake(observed(one, 'first'), observed(one, 'other'))
    await consume()
    await eventually(async () => (await ledger.known(one))?.duplicates === 2, { within: 10_000 })
    expect(await texts('conflicts')).toEqual([one])
  })

  test('of no interest is known by its id too, ahead of what comes behind it', async () => {
    await sendIntake(observed(one, 'unwanted', unwanted.seen.base), observed(one, 'wanted'), observed(two, 'second'))
    await consume()
    await seen(['second'])
    await seen([one], 'conflicts')
    await sendIntake(observed(three, 'unwanted', unwanted.seen.base))
    await eventually(() => ledger.known(three), { within: 10_000 })
  })

  test('that was parked, and applied when it was retried, is not applied again when it comes again', async () => {
    await sendIntake(observed(one, 'first'))
    await consume({
      reactions: [
        when(outside.observed, () => {
          throw new TypeError('broken on purpose')
        }),
      ],
    })
    const [key] = await eventually(async () => (await ledger.parkedKeys()).length === 1 && ledger.parkedKeys(), { within: 10_000 })
    await consumer?.stop()
    await consume()
    const by = { actor: 'person:ada', why: 'mended' }
    expect(await retryParked({ service, ledger, table: reactionTable(service) }, key!, by)).toMatchObject({ applied: 1, waiting: 0 })
    await sendIntake(observed(one, 'first'), observed(two, 'second'))
    await seen(['first', 'second'])
    expect(await ledger.known(one)).toMatchObject({ duplicates: 1, conflicts: 0 })
  })

  test('that a retry has applied, and could not take away, is not left out: another retry takes it away', async () => {
    await sendIntake(observed(one, 'first'))
    const broken = () => {
      throw new TypeError('broken on purpose')
    }
    await consume({ reactions: [when(outside.observed, broken)] })
    const [key] = await eventually(async () => (await ledger.parkedKeys()).length === 1 && ledger.parkedKeys(), { within: 10_000 })
    await consumer?.stop()
    const by = { actor: 'person:ada', why: 'mended' }
    const mended = { service, ledger, table: reactionTable(service) }
    const cut = { ...ledger, unpark: () => Promise.reject(new DomainError('unavailable', 'cut')) }
    await expect(retryParked({ ...mended, ledger: cut }, key!, by)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(skipParked(mended, key!, by)).rejects.toMatchObject({ code: 'wrong_phase', message: /was applied already/ })
    expect(await retryParked(mended, key!, by)).toMatchObject({ applied: 1, waiting: 0 })
    expect(await texts()).toEqual(['first'])
  })

  test('that was applied and comes again behind its parked key does not wait there', async () => {
    await sendIntake({ ...observed(one, 'first'), key: 'k' }, { ...observed(two, 'second'), key: 'k' })
    await consume({
      reactions: [
        when(outside.observed, ({ id, data }) => {
          if (id === two) throw new TypeError('broken on purpose')
          return puts(data)
        }),
      ],
    })
    await sendIntake({ ...observed(one, 'first'), key: 'k' })
    await eventually(async () => (await ledger.known(one))?.duplicates === 1, { within: 10_000 })
    expect(await ledger.parkedKeys()).toMatchObject([{ key: 'k', waiting: 1 }])
  })
})
