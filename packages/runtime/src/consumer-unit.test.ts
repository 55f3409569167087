import { facts, stream, tell } from '@rondo/kernel'
import { openLedgerOn } from '@rondo/ledger'
import { ModelDatabase } from '@rondo/ledger/database'
import { modelStore } from '@rondo/ledger/model'
import { when } from '@rondo/reaction'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { submitFact } from './consumer-unit.ts'
import { InFlight } from './in-flight.ts'
import { reactionTable } from './reaction-table.ts'
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
})
