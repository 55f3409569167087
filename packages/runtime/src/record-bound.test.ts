import { realClock } from '@rondo/bus'
import { ModelBroker } from '@rondo/bus/broker'
import { modelBus } from '@rondo/bus/model'
import { toRecord } from '@rondo/contracts/cloudevents'
import { ask, facts, stream } from '@rondo/kernel'
import { openLedgerOn } from '@rondo/ledger'
import { ModelDatabase } from '@rondo/ledger/database'
import { modelStore } from '@rondo/ledger/model'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createLog } from './log.ts'
import { recordBound } from './record-bound.ts'

const fact = facts('rondo.notes.note', { taken: z.object({ text: z.string() }) })
const note = stream(
  'note',
  fact,
  {},
)({
  fold: 1,
  asks: { take: (_, data: { text: string }) => [fact.taken(data)] },
  tells: {},
  evolve: { taken: (state) => state },
  keys: {},
})
const topic = 'rondo.notes.v1'
const log = createLog('silent')

async function notes(limit: number) {
  const broker = new ModelBroker()
  broker.create(topic, 2)
  broker.limit(topic, limit)
  const bus = modelBus({ broker })
  const record = await recordBound(bus, { service: 'notes', partitions: 2 }, log)
  const store = modelStore({ database: new ModelDatabase() })
  const ledger = await openLedgerOn({ service: 'notes', streams: [note], store, partitions: 2, record })
  let asked = 0
  const take = (text: string) => {
    const id = `m${asked++}`
    const cause = { actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    return ledger.submit({ id, hash: id, remember: true, messages: [ask(note, 'one', 'take', { text })], cause })
  }
  const sent = async () => {
    for (const { event, ...before } of await ledger.chained(0, 10_000))
      await bus.send(topic, [{ ...toRecord(event, { ...before, epoch: 1 }), partition: event.partition }])
  }
  return { ledger, take, sent }
}

test.each(['x', 'ä', '\u2028', '"'])(
  'what is recorded can be sent, and what could not be is refused before: texts of %j',
  async (letter) => {
    const { ledger, take, sent } = await notes(4_000)
    let [taken, refused] = [0, 4_000]
    while (refused - taken > 1) {
      const length = Math.floor((taken + refused) / 2)
      const answer = await take(letter.repeat(length)).catch((error: unknown) => error)
      if (answer instanceof Error) {
        expect(answer).toMatchObject({
          code: 'too_large',
          message: expect.stringMatching(/^rondo.notes.note.taken of note one takes \d+ bytes as a record; rondo.notes.v1 takes 3900$/),
        })
        refused = length
      } else taken = length
    }
    await sent()
    // Close to the limit: what stands around the data takes less than 1,100 bytes
    const [largest] = (await ledger.events(0, 10_000))
      .map(({ data }) => Buffer.byteLength(JSON.stringify(data)))
      .sort((one, other) => other - one)
    expect(largest).toBeGreaterThan(2_800)
    expect((await ledger.head()).position).toBeGreaterThan(3)
  },
)

test('a limit that was changed counts when it is asked for again; while nobody answers what was known stands', async () => {
  let [told, now]: [number | Error, number] = [5_000, 0]
  const limit = async () => {
    if (told instanceof Error) throw told
    return told
  }
  const clock = { ...realClock, now: () => now }
  const bound = await recordBound({ limit }, { service: 'notes', partitions: 2 }, log, clock)
  const after = async (ms: number) => {
    now += ms
    bound.limit()
    await realClock.turn()
    return bound.limit()
  }
  told = 900
  expect(await after(1_000)).toBe(5_000)
  expect(await after(30_000)).toBe(900)
  told = new Error('away')
  expect(await after(31_000)).toBe(900)
  told = 7_000
  expect(await after(31_000)).toBe(7_000)
})
