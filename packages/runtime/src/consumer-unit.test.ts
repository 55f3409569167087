import { facts, stream, tell } from '@rondo/kernel'
import type { Unit } from '@rondo/ledger'
import { when } from '@rondo/reaction'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { submitFact } from './consumer-unit.ts'
import { InFlight } from './in-flight.ts'
import { reactionTable } from './reaction-table.ts'

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
  const read = { load: unused, loadAll: unused, find: unused, list: unused, view: unread }
  const ledger = { submit, guessing: () => ({ read, again: read, rests: () => undefined }) }
  const inFlight = new InFlight(9)
  const add = (id: string, { base }: typeof slow | typeof quick) =>
    inFlight.add([id], async (turn) => {
      const event = { ...common, id, type: base, correlationId: id, causationId: id }
      const checkpoint = { source: 's', partition: 0, previous: 0, position: 1, nextOffset: 1n }
      const fact = { event, interest: interests.get(base), checkpoint, hash: undefined }
      await submitFact(ledger, fact, turn)
    })
  for (const begun of [add('one', quick), add('two', slow), add('three', quick)]) expect(begun).toBeUndefined()
  await new Promise(setImmediate)
  expect(handed).toEqual(['one'])
  gate.resolve()
  await inFlight.drain()
  expect(handed).toEqual(['one', 'two', 'three'])
})

test('a fan-out that was guessed is read anew: its first steps are not compared with anything', async () => {
  const lamp = stream(
    'lamp',
    facts('rondo.own.lamp', { lit: z.object({}) }),
    {},
  )({ fold: 1, asks: {}, tells: { light: () => [] }, evolve: { lit: () => ({}) }, keys: {} })
  const { interests } = reactionTable({
    name: 'own',
    reactions: [
      when(
        quick,
        (_, read) => read.load(lamp, 'count'),
        (_, count) => Array.from({ length: Number(count) }, (_, n) => tell(lamp, `l-${n}`, 'light')),
      ),
    ],
  })
  const handed: Unit[] = []
  const submit = async (unit: Unit) => {
    handed.push(unit)
    return { duplicate: false, results: [] }
  }
  const unused = () => Promise.reject(new Error('nothing is read'))
  const readOf = (count: number) => ({ load: async () => count as never, loadAll: unused, find: unused, list: unused, view: unread })
  const rests = { read: [], held: [], seen: [] }
  const told = async (guess: number) => {
    handed.length = 0
    const ledger = { submit, guessing: () => ({ read: readOf(guess), again: readOf(700), rests: () => rests }) }
    const event = { ...common, id: 'one', type: quick.base, correlationId: 'one', causationId: 'one' }
    const checkpoint = { source: 's', partition: 0, previous: 0, position: 1, nextOffset: 1n }
    const turn = { ahead: { handed: undefined, settled: Promise.resolve() }, handOver: () => undefined }
    await submitFact(ledger, { event, interest: interests.get(quick.base), checkpoint, hash: undefined }, turn)
    return handed.map((unit) => [unit.messages.length, unit.rests])
  }
  expect(await told(3)).toEqual([[3, rests]])
  expect(await told(900)).toEqual([
    [500, undefined],
    [200, undefined],
  ])
})
