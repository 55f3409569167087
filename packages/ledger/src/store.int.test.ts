import { readFileSync } from 'node:fs'
import { ask, type DomainError, plus, tell, toInstant } from '@rondo/kernel'
import { needs, shared, sharedMissing } from '@rondo/testkit'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { engines, type Opening, unit } from '../test/fixture.ts'
import { order, orderOfFold2 } from '../test/order-stream.ts'
import { CheckpointGap, type OpenLedger, type Unit } from './index.ts'

/* What the ledger promises on any store: on PostgreSQL, and on the model of it that the simulation runs against. */

const opened: OpenLedger[] = []
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
})
const opening = async (fresh: Opening, options: Parameters<Opening>[0] = {}) => {
  const ledger = await fresh(options)
  opened.push(ledger)
  return ledger
}

describe.each(engines)('a ledger on $name', (engine) => {
  let ledger: OpenLedger
  engine.needs().beforeAll(async () => {
    ledger = await (await engine.fresh())()
  })
  afterAll(() => ledger?.close())

  test('knows a message by its id and hash', async () => {
    const first = unit([ask(order, 'o-2', 'place', { item: 'milk' })])
    const { results } = await ledger.submit(first)
    expect(await ledger.submit(first)).toEqual({
      duplicate: true,
      results: [{ streamId: 'o-2', version: results[0]?.version, events: [] }],
    })
    await expect(ledger.submit({ ...first, hash: 'another' })).rejects.toMatchObject({ code: 'id_reused' })
    expect(await ledger.known(first.id)).toMatchObject({ hash: first.hash, duplicates: 1, conflicts: 1 })
    expect((await ledger.read.loadAll(order, ['o-2']))[0]?.version).toBe(1)
  })

  test('within one batch too', async () => {
    const first = unit([ask(order, 'o-3', 'place', { item: 'milk' })])
    const [one, same, other] = await Promise.allSettled([
      ledger.submit(first),
      ledger.submit(first),
      ledger.submit({ ...first, hash: 'another' }),
    ])
    expect(one).toMatchObject({ value: { duplicate: false } })
    expect(same).toMatchObject({ value: { duplicate: true, results: [{ version: 1 }] } })
    expect(other).toMatchObject({ reason: { code: 'id_reused' } })
    expect(await ledger.known(first.id)).toMatchObject({ duplicates: 1, conflicts: 1 })
  })

  test('keeps a refusal that recorded something, and no other', async () => {
    const deny = unit([ask(order, 'o-4', 'deny', { why: 'red' })])
    const first = await ledger.submit(deny).catch((error: DomainError) => error)
    const second = await ledger.submit(deny).catch((error: DomainError) => error)
    expect(first).toMatchObject({ code: 'gate_denied', message: 'denied: red', details: { why: 'red' } })
    expect(second).toMatchObject({ code: 'gate_denied', message: 'denied: red', details: { why: 'red' } })
    expect(await ledger.read.load(order, 'o-4')).toMatchObject({ denied: 1 })

    const close = unit([ask(order, 'o-5', 'close', { reason: 'late' })])
    await expect(ledger.submit(close)).rejects.toMatchObject({ code: 'not_found' })
    expect(await ledger.known(close.id)).toBeUndefined()
    await ledger.submit(unit([tell(order, 'o-5', 'placed', { item: 'jam' })]))
    expect(await ledger.submit(close)).toMatchObject({ duplicate: false })
  })

  test('moves a checkpoint with the unit, once, and sees a gap; offsets of a stale consumer-group generation move nothing', async () => {
    const at = (previous: number, position: number) => ({
      source: 'topic/1',
      partition: 3,
      previous,
      position,
      nextOffset: BigInt(position + 1),
    })
    const count = (previous: number, position: number) =>
      unit([tell(order, 'o-6', 'count', 1)], { id: `six-${position}`, remember: false, checkpoint: at(previous, position) })
    const chained = await Promise.all([ledger.submit(count(0, 4)), ledger.submit(count(4, 9)), ledger.submit(count(9, 10))])
    expect(chained.map(({ duplicate }) => duplicate)).toEqual([false, false, false])
    expect(await ledger.submit(count(4, 9))).toEqual({ duplicate: true, results: [] })
    const gap = await ledger.submit(count(11, 12)).catch((error: unknown) => error)
    expect(gap).toBeInstanceOf(CheckpointGap)
    expect(gap).toMatchObject({ stored: 10 })
    expect(await ledger.checkpoint('topic/1', 3)).toEqual({ position: 10, nextOffset: 11n })
    expect(await ledger.read.load(order, 'o-6')).toEqual({ count: 3 })
  })

  test('a duplicate by id moves its checkpoint all the same', async () => {
    const first = unit([tell(order, 'o-7', 'count', 1)], {
      checkpoint: { source: 'intake', partition: 0, previous: -1, position: 0, nextOffset: 1n },
    })
    await ledger.submit(first)
    const again = { ...first, checkpoint: { source: 'intake', partition: 0, previous: 0, position: 1, nextOffset: 2n } }
    expect(await ledger.submit(again)).toMatchObject({ duplicate: true })
    expect(await ledger.checkpoint('intake', 0)).toEqual({ position: 1, nextOffset: 2n })
    expect(await ledger.read.load(order, 'o-7')).toEqual({ count: 1 })
  })
})

describe.each(engines)('two writers on $name', (engine) => {
  let one: OpenLedger
  let two: OpenLedger
  engine.needs().beforeAll(async () => {
    const fresh = await engine.fresh()
    one = await fresh()
    two = await fresh()
  })
  afterAll(async () => {
    await one?.close()
    await two?.close()
  })
  const both = () => [one, two] as const

  test('neither loses what the other writes to the same stream, and positions stay gapless', async () => {
    const before = (await one.head()).position
    const each = both().map((ledger) =>
      Promise.all(Array.from({ length: 200 }, () => ledger.submit(unit([tell(order, 'hot', 'count', 1)])))),
    )
    await Promise.all(each)
    expect(await one.read.load(order, 'hot')).toEqual({ count: 400 })
    const events = await one.events(before, 1_000)
    expect(events.map(({ position }) => position - before)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1))
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1))
  })

  test('a unique key is held once, whoever comes first; the loser runs again from its read', async () => {
    const signal = (ledger: OpenLedger, id: string, number: string) => {
      const messages = async () => {
        const [held] = await ledger.read.find(order, 'number', [number])
        return [tell(order, held?.id ?? id, 'placed', { item: 'tea', number }), tell(order, held?.id ?? id, 'count', 1)]
      }
      return messages().then((first) => ledger.submit(unit(first, { again: messages })))
    }
    for (const number of ['A', 'B', 'C', 'D', 'E']) {
      // two of one process in one batch, and two of another one
      await Promise.all(
        both().flatMap((ledger, n) => [signal(ledger, `${number}-${n}-first`, number), signal(ledger, `${number}-${n}-second`, number)]),
      )
      const held = await one.read.find(order, 'number', [number])
      expect(held.map(({ state }) => state.count)).toEqual([4])
    }
  })

  test('without another way the loser of a unique key is told who holds it', async () => {
    const place = (id: string) => unit([ask(order, id, 'place', { item: 'tea', number: 'N' })])
    await one.submit(place('winner'))
    await expect(two.submit(place('loser'))).rejects.toMatchObject({ code: 'already_exists', details: { key: 'number', holder: 'winner' } })
    expect(await two.read.loadAll(order, ['loser'])).toEqual([])
  })

  test('who follows the loser of a unique key in its batch is not refused in its place', async () => {
    await one.submit(unit([ask(order, 'holder', 'place', { item: 'tea', number: 'F' })]))
    const [loses, follows] = await Promise.allSettled([
      two.submit(unit([ask(order, 'late', 'place', { item: 'tea', number: 'F' })])),
      two.submit(unit([tell(order, 'late', 'count', 1)])),
    ])
    expect(loses).toMatchObject({ reason: { code: 'already_exists', details: { holder: 'holder' } } })
    expect(follows).toMatchObject({ value: { duplicate: false, results: [{ streamId: 'late', version: 1 }] } })
  })

  test.each([
    ['in one batch', async (ledger: OpenLedger, claim: Unit) => ({ claimed: ledger.submit(claim) })],
    ['to another writer', async (_: OpenLedger, claim: Unit) => ({ claimed: await two.submit(claim) })],
  ] as const)('who loses a unique key %s takes along what follows it in its partition', async (how, claim) => {
    const at = (position: number) => ({ source: how, partition: 0, previous: position - 1, position, nextOffset: BigInt(position) })
    const number = `W ${how}`
    await claim(one, unit([tell(order, `${how} holds`, 'placed', { item: 'tea', number })]))
    const again = async () => [tell(order, `${how} holds`, 'count', 1)]
    const [loses, follows] = await Promise.all([
      one.submit(unit([tell(order, `${how} loses`, 'placed', { item: 'tea', number })], { remember: false, checkpoint: at(1), again })),
      one.submit(unit([tell(order, `${how} follows`, 'count', 1)], { remember: false, checkpoint: at(2) })),
    ])
    expect(loses.results.map(({ streamId }) => streamId)).toEqual([`${how} holds`])
    expect(follows).toMatchObject({ duplicate: false, results: [{ version: 1 }] })
    expect(await one.checkpoint(how, 0)).toEqual({ position: 2, nextOffset: 2n })
  })

  test('positions stay gapless while two write different streams', async () => {
    const before = (await one.head()).position
    const rounds = Array.from({ length: 60 }, (_, n) => n)
    const writing = async (ledger: OpenLedger, name: string) => {
      for (const n of rounds) await ledger.submit(unit([tell(order, `${name}-${n}`, 'count', 1)]))
    }
    await Promise.all([writing(one, 'odd'), writing(two, 'even')])
    const events = await one.events(before, 1_000)
    expect(events.map(({ position }) => position - before)).toEqual(Array.from({ length: 120 }, (_, n) => n + 1))
  })

  test('one message that each decides for another stream is applied once', async () => {
    for (let n = 0; n < 60; n++) {
      const { id, hash, ...rest } = unit([tell(order, `here-${n}`, 'count', 1)])
      const there = { ...rest, id, hash, messages: [tell(order, `there-${n}`, 'count', 1)] }
      const answers = await Promise.all([one.submit({ ...rest, id, hash }), two.submit(there)])
      expect(answers.map(({ duplicate }) => duplicate).sort()).toEqual([false, true])
      expect(await one.read.loadAll(order, [`here-${n}`, `there-${n}`])).toHaveLength(1)
    }
  })

  test('one record that each decides for another stream moves its partition once', async () => {
    for (let n = 0; n < 60; n++) {
      const checkpoint = { source: 'otherwise', partition: 0, previous: n, position: n + 1, nextOffset: BigInt(n + 1) }
      const record = (id: string) => unit([tell(order, id, 'count', 1)], { remember: false, checkpoint })
      const answers = await Promise.all([one.submit(record(`left-${n}`)), two.submit(record(`right-${n}`))])
      expect(answers.map(({ duplicate }) => duplicate).sort()).toEqual([false, true])
      expect(await one.read.loadAll(order, [`left-${n}`, `right-${n}`])).toHaveLength(1)
    }
  })

  test('a key that was let go can be taken in the same batch', async () => {
    await one.submit(unit([ask(order, 'former', 'place', { item: 'tea', number: 'K' })]))
    await Promise.all([
      one.submit(unit([ask(order, 'former', 'close', { reason: 'done' })])),
      one.submit(unit([ask(order, 'next', 'place', { item: 'tea', number: 'K' })])),
    ])
    expect((await one.read.find(order, 'number', ['K'])).map(({ id }) => id)).toEqual(['next'])
  })

  test('one message through both is applied once', async () => {
    const units = Array.from({ length: 50 }, (_, n) => unit([tell(order, `same-${n}`, 'count', 1)]))
    const answers = await Promise.all(both().flatMap((ledger) => units.map((each) => ledger.submit(each))))
    expect(answers.filter(({ duplicate }) => duplicate)).toHaveLength(50)
    const found = await one.read.loadAll(
      order,
      units.map((_, n) => `same-${n}`),
    )
    expect(found.map(({ state }) => state.count)).toEqual(units.map(() => 1))
  })

  test('a partition read by both moves once', async () => {
    const records = Array.from({ length: 50 }, (_, n) =>
      unit([tell(order, 'consumed', 'count', 1)], {
        id: `record-${n}`,
        remember: false,
        checkpoint: { source: 'both', partition: 0, previous: n, position: n + 1, nextOffset: BigInt(n + 1) },
      }),
    )
    await Promise.all(both().flatMap((ledger) => records.map((record) => ledger.submit(record))))
    expect(await one.read.load(order, 'consumed')).toEqual({ count: 50 })
    expect(await two.checkpoint('both', 0)).toEqual({ position: 50, nextOffset: 50n })
  })
})

describe.each(engines)('a newer version on $name', (engine) => {
  engine.needs()

  test.each([
    ['one stream again and again', () => 'busy'],
    ['one new stream after the other', (n: number) => `new-${n}`],
  ])('a fold raised while old processes still write, %s: it is complete before it is ready, and nobody writes over it', async (_, idOf) => {
    const fresh = await engine.fresh()
    const old = await opening(fresh)
    for (let n = 0; n < 250; n++) await old.submit(unit([tell(order, `o-${n}`, 'count', 1)]))
    // Several, so that hardly a moment passes without a write
    const taken: string[] = []
    let begun = 0
    const write = async () => {
      for (;;) {
        const id = idOf(begun++)
        await old.submit(unit([tell(order, id, 'count', 1)]))
        taken.push(id)
      }
    }
    const writing = Promise.all(Array.from({ length: 4 }, () => write().catch((error: unknown) => error)))
    const [newer] = await Promise.all([opening(fresh, { streams: [orderOfFold2] }), opening(fresh, { streams: [orderOfFold2] })])
    expect(await writing).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'unavailable' })))
    expect(taken.length).toBeGreaterThan(0)
    const written = Map.groupBy([...taken, ...Array.from({ length: 250 }, (_, n) => `o-${n}`)], (id) => id)
    const states = await newer.read.loadAll(orderOfFold2, [...written.keys()])
    expect(new Map(states.map(({ id, state }) => [id, state.count]))).toEqual(
      new Map([...written].map(([id, all]) => [id, 2 * all.length])),
    )
    await expect(old.submit(unit([tell(order, 'o-1', 'count', 1)]))).rejects.toMatchObject({ code: 'unavailable' })
    const more = ['one more', 'and another'].map((id) => tell(order, id, 'count', 1))
    for (const messages of [more.slice(1), more]) await expect(old.submit(unit(messages))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(old.read.load(order, 'o-1')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(fresh()).rejects.toMatchObject({ code: 'unavailable' })
    await newer.submit(unit([tell(orderOfFold2, 'o-1', 'count', 1)]))
    expect(await newer.read.load(orderOfFold2, 'o-1')).toEqual({ count: 4 })
  })
})

describe.each(engines)('what follows from events, on $name', (engine) => {
  engine.needs()

  test('due tells are fired once by any number of processes, when they were due', async () => {
    const fresh = await engine.fresh()
    const [one, two] = await Promise.all([opening(fresh), opening(fresh)])
    const past = '2026-01-01T00:00:00.000001Z'
    const future = plus(toInstant(new Date()), 3_600_000)
    const at = (when: string) => ({ cause: { at: when, actor: 'person:ada', correlationId: 'c', causationId: 'c' } })
    for (let n = 0; n < 60; n++) await one.submit(unit([tell(order, `o-${n}`, 'placed', { item: 'later' })], at(past)))
    await one.submit(unit([tell(order, 'tomorrow', 'placed', { item: 'later' })], at(future)))
    const fired = await Promise.all([one.fireDue(), two.fireDue()])
    expect(fired[0] + fired[1]).toBe(60)
    const reminded = await one.events(0, 1_000, { types: ['rondo.testing.order.reminded'] })
    expect(reminded).toHaveLength(60)
    expect(new Set(reminded.map(({ occurredAt, actor }) => `${occurredAt} ${actor}`))).toEqual(new Set([`${past} service:testing`]))
    expect(await two.fireDue()).toBe(0)
  })

  test('a timer that is no longer derived is not fired, and one that fails keeps nobody waiting', async () => {
    const fresh = await engine.fresh()
    const errors: object[] = []
    const ledger = await opening(fresh, { log: { info: () => undefined, warn: () => undefined, error: (fields) => errors.push(fields) } })
    const cause = { at: '2026-01-01T00:00:00.000001Z', actor: 'person:ada', correlationId: 'c', causationId: 'c' }
    await ledger.submit(unit([tell(order, 'fragile', 'placed', { item: 'fragile' })], { cause }))
    await ledger.submit(unit([tell(order, 'sound', 'placed', { item: 'later' })], { cause }))
    await ledger.submit(unit([tell(order, 'closed', 'placed', { item: 'later' })], { cause }))
    await ledger.submit(unit([ask(order, 'closed', 'close', { reason: 'done' })]))
    expect(await ledger.fireDue()).toBe(1)
    expect(await ledger.read.load(order, 'sound')).toMatchObject({ count: 1_000 })
    expect(await ledger.read.load(order, 'closed')).toMatchObject({ count: 0 })
    expect(errors).toEqual([expect.objectContaining({ timer: 'order/fragile/breaks/2026-01-01T00:00:00.000000Z', times: 1 })])
    expect(await ledger.fireDue()).toBe(0)
    expect(errors).toHaveLength(1)
  })

  test('a turn’s history is the whole of each stream that ever carried it', async () => {
    const fresh = await engine.fresh()
    const ledger = await opening(fresh)
    await ledger.submit(
      unit([tell(order, 'before', 'count', 1), tell(order, 'before', 'placed', { item: 'REQ-1' }), tell(order, 'other', 'count', 1)]),
    )
    await ledger.submit(unit([tell(order, 'before', 'count', 2)]))
    const history = await ledger.history('REQ-1', 10)
    expect(history.map(({ streamId, version, loopIds }) => [streamId, version, loopIds])).toEqual([
      ['before', 1, []],
      ['before', 2, ['REQ-1']],
      ['before', 3, ['REQ-1']],
    ])
  })

  test('of a stream the newest trace before an event is known, and is not its own', async () => {
    const fresh = await engine.fresh()
    const ledger = await opening(fresh)
    const from = (traceparent?: string) => ({ cause: { actor: 'person:ada', correlationId: 'c', causationId: 'c', traceparent } })
    await ledger.submit(unit([tell(order, 'o-1', 'count', 1), tell(order, 'o-2', 'count', 1)], from('first')))
    await ledger.submit(unit([tell(order, 'o-1', 'count', 1)], from('second')))
    await ledger.submit(unit([tell(order, 'o-1', 'count', 1)], from()))
    const stream = { stream: 'order', streamId: 'o-1' }
    expect(await ledger.tracesBefore([stream], 'none')).toEqual(['second'])
    expect(await ledger.tracesBefore([stream], 'second')).toEqual(['first'])
    expect(
      await ledger.tracesBefore(
        [
          { ...stream, upTo: 1 },
          { stream: 'order', streamId: 'o-2' },
        ],
        'none',
      ),
    ).toEqual(['first'])
    expect(await ledger.tracesBefore([{ stream: 'order', streamId: 'unseen' }], 'none')).toEqual([])
  })

  test('a token of another order, or none at all, is refused', async () => {
    const fresh = await engine.fresh()
    const ledger = await opening(fresh)
    for (const id of ['a', 'b']) await ledger.submit(unit([tell(order, id, 'placed', { item: 'ci' })]))
    const { nextPageToken } = await ledger.read.list(order, { pageSize: 1 })
    await expect(ledger.read.list(order, { order: 'occurred_at', pageToken: nextPageToken })).rejects.toMatchObject({ code: 'invalid' })
    await expect(ledger.read.list(order, { pageToken: 'nonsense' })).rejects.toMatchObject({ code: 'invalid' })
    await expect(ledger.read.list(order, { pageSize: -1 })).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe.each(engines)('lists on $name', (engine) => {
  const file = ['cases', '27-pg-pages-within-one-millisecond.json']
  engine.needs()
  needs({ also: sharedMissing(...file) })

  test('pages are exact within one millisecond, in both directions, while rows are added', async () => {
    const { steps } = JSON.parse(readFileSync(shared(...file), 'utf8')) as { steps: { body: { subject: string; time: string }[] }[] }
    const entries = steps[0]!.body
    const fresh = await engine.fresh()
    const ledger = await opening(fresh)
    const add = (id: string, at: string) =>
      ledger.submit(
        unit([tell(order, id, 'placed', { item: 'ci' })], { cause: { at, actor: 'service:ci', correlationId: 'c', causationId: 'c' } }),
      )
    for (const { subject, time } of entries.toReversed()) await add(subject, time)
    const pages = async (given: { order: 'occurred_at' | 'occurred_at desc'; pageSize: number }) => {
      const seen: string[][] = []
      let pageToken = ''
      do {
        const page = await ledger.read.list(order, { ...given, pageToken, phase: 'open', keys: { item: 'ci' } })
        seen.push(page.items.map(({ id }) => id))
        pageToken = page.nextPageToken
        // comes before and behind of where the list stands
        await add(`${seen.length}-${given.pageSize}`, `2026-11-18T09:00:00.06${given.order === 'occurred_at' ? '0' : '2'}000Z`)
      } while (pageToken && seen.length < 50)
      return seen
    }
    const names = entries.map(({ subject }) => subject)
    expect(await pages({ order: 'occurred_at', pageSize: 1 })).toEqual(names.map((name) => [name]))
    const descending = (await pages({ order: 'occurred_at desc', pageSize: 2 })).flat().filter((id) => id.startsWith('run'))
    expect(descending).toEqual(names.toReversed())
  })
})
