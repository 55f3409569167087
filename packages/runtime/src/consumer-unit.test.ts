<<<<<<< HEAD
import { facts } from '@rondo/kernel'
import type { Unit } from '@rondo/ledger'
=======
import { facts, stream, tell } from '@rondo/kernel'
import { openLedgerOn } from '@rondo/ledger'
import { ModelDatabase } from '@rondo/ledger/database'
import { modelStore } from '@rondo/ledger/model'
>>>>>>> parked
import { when } from '@rondo/reaction'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { submitFact } from './consumer-unit.ts'
import { InFlight } from './in-flight.ts'
import { reactionTable } from './reaction-table.ts'
<<<<<<< HEAD

const { slow, quick } = facts('rondo.other.thing', { slow: z.object({}), quick: z.object({}) })

const at = '2026-11-25T09:00:00.000000Z'
const place = { stream: 'thing', streamId: 't-1', version: 1, position: 1, partition: 0 }
const common = { ...place, schemaVersion: 1, data: {}, occurredAt: at, recordedAt: at, actor: 'person:ada', loopIds: [] }
const unread = (): never => {
  throw new Error('nothing is read')
}

test('facts of one partition are handed over in their order, also where one reads and the one behind it does not', async () => {
  const gate = Promise.withResolvers<void>()
  const slowly = when(
    slow,
    () => gate.promise,
    () => [],
  )
  const { interests } = reactionTable({ name: 'own', reactions: [slowly, when(quick, () => [])] })
  const handed: string[] = []
  const submit = async ({ id }: Unit) => {
    handed.push(id)
    return { duplicate: false, results: [] }
  }
  const unused = () => Promise.reject(new Error('nothing is read'))
  const ledger = { submit, read: { load: unused, loadAll: unused, find: unused, list: unused, view: unread } }
  const inFlight = new InFlight(9)
  const add = (id: string, { base }: typeof slow | typeof quick) =>
    inFlight.add(id, async (ahead, handOver) => {
      const event = { ...common, id, type: base, correlationId: id, causationId: id }
      const checkpoint = { source: 's', partition: 0, previous: 0, position: 1, nextOffset: 1n }
      const fact = { event, interest: interests.get(base), checkpoint, hash: undefined }
      await submitFact(ledger, fact, { reading: (work) => work(), ahead, handOver })
    })
  for (const begun of [add('one', quick), add('two', slow), add('three', quick)]) expect(begun).toBeUndefined()
  await new Promise(setImmediate)
  expect(handed).toEqual(['one'])
  gate.resolve()
  await inFlight.drain()
  expect(handed).toEqual(['one', 'two', 'three'])
=======
import type { Service } from './service.ts'

const outside = facts('rondo.builds.change', { recorded: z.object({ text: z.string() }) })
const fact = facts('rondo.tally.box', { put: z.object({ text: z.string() }) })
const box = stream('box', fact, { count: 0 })({
  fold: 1,
  asks: {},
  tells: { put: (_, data: { text: string }) => [fact.put(data)] },
  evolve: { put: ({ count }) => ({ count: count + 1 }) },
  keys: {},
})
const service: Service = {
  name: 'tally',
  streams: [box],
  reactions: [when(outside.recorded, ({ streamId, data }) => [tell(box, streamId, 'put', data)])],
  rpc: {},
}

test('facts of one partition reach the writer in their order, whichever was read first: none has to be handed in twice', async () => {
  const ledger = await openLedgerOn({ service: 'tally', streams: [box], store: modelStore({ database: new ModelDatabase() }) })
  const handedIn: string[] = []
  const told = {
    ...ledger,
    submit: (unit: Parameters<typeof ledger.submit>[0]) => {
      handedIn.push(unit.id)
      return ledger.submit(unit)
    },
  }
  const ids = Array.from({ length: 8 }, (_, n) => `00000000-0000-5000-8000-00000000000${n}`)
  // Who comes first reads longest
  const read = ids.map(() => Promise.withResolvers<void>())
  const inFlight = new InFlight(ids.length)
  const interest = reactionTable(service).interests.get(outside.recorded.base)
  for (const [n, id] of ids.entries()) {
    const event = {
      id,
      stream: 'change',
      streamId: `c-${n}`,
      version: 1,
      position: n + 1,
      partition: 0,
      type: outside.recorded.base,
      schemaVersion: 1,
      data: { text: id },
      occurredAt: '2026-11-25T09:00:00.000000Z',
      recordedAt: '2026-11-25T09:00:00.000000Z',
      actor: 'service:ci',
      correlationId: id,
      causationId: id,
      loopIds: [],
    }
    const checkpoint = { source: 'rondo.builds.v1#1', partition: 0, previous: n, position: n + 1, nextOffset: BigInt(n + 1) }
    await inFlight.add(event.streamId, async (ahead, handOver) => {
      const reading = async <Result>(work: () => Promise<Result>) => {
        await read[n]?.promise
        return work()
      }
      await submitFact(told, { event, interest, checkpoint, hash: undefined }, { reading, ahead, handOver })
    })
  }
  for (const { resolve } of read.toReversed()) {
    resolve()
    await new Promise(setImmediate)
  }
  await inFlight.drain()
  expect(handedIn).toEqual(ids)
  expect(await ledger.checkpoint('rondo.builds.v1#1', 0)).toMatchObject({ position: 8 })
  await ledger.close()
>>>>>>> parked
})
