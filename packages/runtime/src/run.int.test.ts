import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { eventually, freshDatabase, needs } from '@rondo/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runServices, type TestRun } from '../test/running.ts'
import { countsService, emitted, testProtos, thingsService } from '../test/services.ts'
import { findMethod } from './channels.ts'
import { as } from './rig.ts'
import type { Service } from './service.ts'
import { fromStatus } from './status.ts'

const { met } = needs('postgres18')

let database: string
let process: TestRun
beforeEach(async () => {
  if (!met) return
  database = await freshDatabase()
  process = await runServices([thingsService, countsService], { RONDO_DATABASE_URL: database })
})
afterEach(async (context) => {
  if (context.task.result?.state === 'fail') for (const line of process?.log ?? []) console.log(JSON.stringify(line))
  await process?.stop()
})

const note = (thing_id: string, text = 'one', options = {}) =>
  process.channels.call('things', 'rondo.things.v1.Things/Note', { thing_id, text }, { ...as('developer'), ...options })
const counted = async (thing_id: string) =>
  (await process.channels.call('counts', 'rondo.counts.v1.Counts/Get', { thing_id }, as('auditor'))).notes

test('a document of 1 MB passes ledger, relay and bus, and reaches the other service', async () => {
  const thick = 'x'.repeat(998_000)
  await note('thick', thick)
  await eventually(async () => (await counted('thick')) === '1', { within: 20_000 })
  expect(await process.channels.call('things', 'rondo.things.v1.Things/Get', { thing_id: 'thick' }, as('auditor'))).toMatchObject({
    texts: [thick],
  })
})

describe('a call', () => {
  test('asks, and what it wrote can be read at once', async () => {
    expect(await note('a')).toEqual({ thing_id: 'a', version: '2' })
    expect(await note('a', 'two')).toEqual({ thing_id: 'a', version: '4' })
    expect(await process.channels.call('things', 'rondo.things.v1.Things/Get', { thing_id: 'a' }, as('auditor'))).toEqual({
      thing_id: 'a',
      texts: ['one', 'two'],
    })
  })

  test('is answered once for a message id, and refused with another content', async () => {
    const first = await note('a', 'one', { messageId: 'm-1' })
    expect(await note('a', 'one', { messageId: 'm-1' })).toEqual(first)
    await expect(note('a', 'another', { messageId: 'm-1' })).rejects.toMatchObject({ code: 'id_reused' })
    await expect(note('a', 'one', { messageId: 'no spaces' })).rejects.toMatchObject({
      code: 'invalid',
      details: { path: 'x-rondo-message-id' },
    })
  })

  test('is refused without a token, with an unknown one, without the role', async () => {
    await expect(note('a', 'one', { authorization: undefined })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(note('a', 'one', { authorization: 'Bearer who' })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(note('a', 'one', as('auditor'))).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('developer'),
    })
    expect(await note('a', 'one', as('admin'))).toMatchObject({ version: '2' })
  })

  test('is refused with the path of what is wrong', async () => {
    await expect(note('a', '')).rejects.toMatchObject({ code: 'invalid', details: { path: 'text' } })
    await expect(process.channels.call('things', 'rondo.things.v1.Things/Get', { thing_id: 'none' }, as('auditor'))).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('that fails by a defect tells nothing of it, and the log has it', async () => {
    await expect(process.channels.call('things', 'rondo.things.v1.Things/Break', { thing_id: 'a' }, as('auditor'))).rejects.toMatchObject({
      code: 'internal',
      message: expect.not.stringContaining('on purpose'),
    })
    expect(JSON.stringify(process.log)).toContain('broken on purpose')
  })
})

describe('a deadline', () => {
  test('ends a call on both sides', async () => {
    await expect(note('a', 'one', { timeoutMs: 0 })).rejects.toMatchObject({ code: 'timed_out' })
  })
})

describe('bytes that the proto does not describe', () => {
  const send = (value: object) => {
    const type = testProtos().lookupType('rondo.things.v1.NewerNoteRequest')
    const client = new Client(process.addresses.grpc, credentials.createInsecure())
    const metadata = new Metadata()
    metadata.set('authorization', 'Bearer developer')
    const { promise, resolve } = Promise.withResolvers<string>()
    const serialize = () => Buffer.from(type.encode(type.fromObject(value)).finish())
    client.makeUnaryRequest(
      '/rondo.things.v1.Things/Note',
      serialize,
      (bytes) => bytes,
      {},
      metadata,
      (error: ServiceError | null) => {
        client.close()
        const refusal = error && fromStatus(error)
        resolve(refusal ? `${refusal.code} at "${refusal.details.path}"` : 'accepted')
      },
    )
    return promise
  }

  test('are refused: an unknown field, an unknown enum value, too many of them', async () => {
    expect(await send({ thing_id: 'a', text: 'b', added_later: 'c' })).toBe('invalid at ""')
    expect(await send({ thing_id: 'a', text: 'b', colour: 5 })).toBe('invalid at "colour"')
    expect(await send({ thing_id: 'a', text: 'x'.repeat(5_000_000) })).toBe('too_large at "undefined"')
    expect(await send({ thing_id: 'a', text: 'b', colour: 1 })).toBe('accepted')
  })
})

describe('a fact', () => {
  test('reaches the reaction of another service, and has its effect once, across a restart', async () => {
    for (const text of ['one', 'two', 'three']) await note('a', text)
    await eventually(async () => (await counted('a')) === '3', { within: 15_000 })
    await process.stop()
    process = await runServices([thingsService, countsService], { RONDO_DATABASE_URL: database })
    await note('a', 'four')
    await eventually(async () => (await counted('a')) === '4', { within: 15_000 })
  })

  test('that a reaction cannot apply parks its key; others go on, and what follows waits behind it', async () => {
    await note('bad', 'poison')
    await note('bad', 'later')
    await note('good', 'one')
    await eventually(async () => (await counted('good')) === '1', { within: 15_000 })
    const parked = () => process.channels.call('counts', 'rondo.ledger.v1.Ledger/Status', { service: 'counts' }, as('auditor'))
    await eventually(async () => JSON.stringify(await parked()).includes('"waiting":"2"'), { within: 15_000 })
    expect(await parked()).toMatchObject({
      services: [{ parked_keys: [{ key: 'thing/bad', reason: expect.stringContaining('cannot be counted') }] }],
    })
    expect(await counted('bad')).toBe('0')
    expect(await process.readiness()).toMatchObject({ ready: true })
  })
})

describe('an operator', () => {
  const ledgerCall = (method: string, request: object, role: 'operator' | 'auditor' = 'operator') =>
    process.channels.call('counts', `rondo.ledger.v1.Ledger/${method}`, request as Record<string, unknown>, as(role))

  test('retries and skips what is parked; nothing is lost and nothing done twice', async () => {
    await note('bad', 'poison')
    await note('bad', 'later')
    const status = () => ledgerCall('Status', { service: 'counts' }, 'auditor')
    await eventually(async () => JSON.stringify(await status()).includes('"waiting":"2"'), { within: 15_000 })
    const { services } = (await status()) as { services: { parked_keys: { source: string; partition: number; key: string }[] }[] }
    const { source, partition, key } = services[0]!.parked_keys[0]!
    const parked = { service: 'counts', source, partition, key, why: 'looked at it' }
    expect(await ledgerCall('ShowParked', { service: 'counts', key }, 'auditor')).toMatchObject({
      records: [{ source, partition, event: { service: 'things', stream_id: 'bad' } }, { event: { stream_id: 'bad' } }],
      decisions: [],
    })
    expect(await ledgerCall('RetryParked', parked)).toEqual({
      applied: '0',
      waiting: '2',
      reason: expect.stringContaining('cannot be counted'),
    })
    expect(await ledgerCall('SkipParked', parked)).toMatchObject({ waiting: '1' })
    expect(await ledgerCall('RetryParked', parked)).toEqual({ applied: '1', waiting: '0', reason: '' })
    expect(await counted('bad')).toBe('1')
    await expect(ledgerCall('RetryParked', parked)).rejects.toMatchObject({ code: 'not_found' })
    expect(await ledgerCall('ShowParked', { service: 'counts', key }, 'auditor')).toMatchObject({
      records: [],
      decisions: [
        { decision: 'applied', actor: expect.stringMatching(/^(person|service):/), why: 'looked at it' },
        { decision: 'skipped', actor: expect.stringMatching(/^(person|service):/), why: 'looked at it' },
      ],
    })
    await expect(ledgerCall('ShowParked', { service: 'counts', key: 'thing/good' })).rejects.toMatchObject({
      code: 'not_found',
      details: { path: 'key' },
    })
    await expect(ledgerCall('SkipParked', parked, 'auditor')).rejects.toMatchObject({ code: 'forbidden' })
    await note('bad', 'one more')
    await eventually(async () => (await counted('bad')) === '2', { within: 15_000 })
  })

  test('replays without any effect on who has everything', async () => {
    for (const text of ['one', 'two']) await note('a', text)
    await eventually(async () => (await counted('a')) === '2', { within: 15_000 })
    expect(await ledgerCall('Replay', { service: 'things', from_position: '1' })).toEqual({ sent: '4', last_position: '4' })
    await note('a', 'three')
    await eventually(async () => (await counted('a')) === '3', { within: 15_000 })
    await expect(ledgerCall('Replay', { service: 'nobody', from_position: '1' })).rejects.toMatchObject({
      code: 'not_found',
      details: { path: 'service' },
    })
    await expect(ledgerCall('Replay', { service: 'things', from_position: '1', partition: 99 })).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('has no partition 99'),
      details: { path: 'partition' },
    })
  })

  test('reads what was recorded, from a cursor on', async () => {
    for (const text of ['one', 'two']) await note('a', text)
    const tail = async (cursor: string) => {
      const events: { cursor: string; event: { type: string } }[] = []
      const request = { service: 'things', cursor, until_head: true, types: ['rondo.things.thing.noted'] }
      for await (const one of process.channels.stream('things', 'rondo.ledger.v1.Ledger/Tail', request, as('auditor')))
        events.push(one as never)
      return events
    }
    const [first, ...rest] = await tail('start')
    expect(rest).toHaveLength(1)
    expect(await tail(first!.cursor)).toEqual(rest)
    await expect(tail('nonsense')).rejects.toMatchObject({ code: 'invalid' })
    await expect(tail(Buffer.from('7.1').toString('base64url'))).rejects.toMatchObject({ code: 'stale_cursor' })
  })
})

describe('a stream', () => {
  test('gives what was, then what comes, and ends with the server', async () => {
    await note('a', 'before')
    const stop = new AbortController()
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const { text } of process.channels.stream(
        'things',
        'rondo.things.v1.Things/Watch',
        { from_start: true },
        { ...as('reporter'), signal: stop.signal },
      ))
        seen.push(text)
    })()
    await eventually(() => seen.length === 1, { within: 10_000 })
    await note('b', 'after')
    await eventually(() => seen.length === 2, { within: 10_000 })
    expect(seen).toEqual(['before', 'after'])
    stop.abort()
    await reading
  })

  test('ends at once where nobody waits for it any more when it is opened', async () => {
    await note('a', 'before')
    const options = { ...as('reporter'), signal: AbortSignal.abort() }
    const seen: unknown[] = []
    for await (const { text } of process.channels.stream('things', 'rondo.things.v1.Things/Watch', { from_start: true }, options))
      seen.push(text)
    expect(seen).toEqual([])
  })

  test('waits for a slow reader', async () => {
    await process.channels.call(
      'things',
      'rondo.things.v1.Things/Note',
      { thing_id: 'a', text: 'x'.repeat(2000), copies: 2000 },
      as('developer'),
    )
    emitted.count = 0
    const answers = process.channels
      .stream('things', 'rondo.things.v1.Things/Watch', { from_start: true }, as('reporter'))
      [Symbol.asyncIterator]()
    await answers.next()
    // Time enough to send all, if nobody held it back.
    for (let n = 0; n < 100; n += 1) await process.channels.call('things', 'rondo.things.v1.Things/Get', { thing_id: 'a' }, as('auditor'))
    expect(emitted.count).toBeLessThan(1000)
    for (let read = 1; read < 2000; read += 1) await answers.next()
    expect(emitted.count).toBe(2000)
    await answers.return?.()
  })

  test('both ways refuses an item and goes on', async () => {
    const { request, response } = findMethod(testProtos(), 'rondo.things.v1.Things/Sum')
    const metadata = new Metadata()
    metadata.set('authorization', 'Bearer reporter')
    const client = new Client(process.addresses.grpc, credentials.createInsecure())
    const call = client.makeBidiStreamRequest(
      '/rondo.things.v1.Things/Sum',
      (value: object) => Buffer.from(request.encode(request.fromObject(value)).finish()),
      (bytes: Buffer) => response.toObject(response.decode(bytes), { longs: String, defaults: true }),
      metadata,
    )
    for (const number of [1, 200, 2]) call.write({ number })
    call.end()
    const answers: unknown[] = []
    for await (const answer of call) answers.push(answer)
    client.close()
    expect(answers).toEqual([
      { sum: '1', refused: '' },
      { sum: '1', refused: 'number: number: at most 100' },
      { sum: '3', refused: '' },
    ])
  })
})

describe('the process', () => {
  test('says how it is: health, readiness, metrics', async () => {
    await note('a')
    const get = async (path: string) => {
      const response = await fetch(`${process.addresses.http}${path}`)
      return { status: response.status, body: await response.text() }
    }
    expect(await get('/healthz')).toEqual({ status: 200, body: '{"status":"ok"}' })
    const ready = await get('/readyz')
    expect(JSON.parse(ready.body)).toMatchObject({ ready: true })
    expect(ready.body).toContain('things/database')
    const { body } = await get('/metrics')
    for (const name of ['rondo_events_appended', 'rondo_units', 'rondo_ledger_batch', 'rpc_server_duration', 'rondo_http_server_duration'])
      expect(body).toContain(name)
  })

  test('that finds its port taken says which variable moves it', async () => {
    const port = new URL(process.addresses.http).port
    await expect(runServices([thingsService], { RONDO_DATABASE_URL: database, RONDO_HTTP_PORT: port })).rejects.toThrow(
      `port ${port} of 127.0.0.1 (HTTP) is taken: stop what listens there, or set RONDO_HTTP_PORT to another port`,
    )
  })

  test('stops within its bound although a stream is open', async () => {
    const reading = (async () => {
      for await (const _ of process.channels.stream('things', 'rondo.things.v1.Things/Watch', { from_start: true }, as('reporter'))) void _
    })()
    const told = expect(reading).rejects.toMatchObject({ code: 'unavailable' })
    const start = performance.now()
    await process.stop()
    expect(performance.now() - start).toBeLessThan(6000)
    await told
  })
})

test('the edge is one address for the services that run elsewhere', async () => {
  const routes: Service = { name: 'edge', streams: [], reactions: [], rpc: {}, http: (app) => void app.get('/hello', async () => 'hello') }
  const edge = await runServices([routes], { RONDO_DATABASE_URL: database }, { serviceAddresses: { things: process.addresses.grpc } })
  try {
    const noteThere = (role: 'developer' | 'auditor') =>
      edge.channels.call('things', 'rondo.things.v1.Things/Note', { thing_id: 'a', text: 'one' }, { ...as(role), messageId: 'm-7' })
    expect(await noteThere('developer')).toEqual({ thing_id: 'a', version: '2' })
    expect(await note('a', 'one', { messageId: 'm-7' })).toEqual({ thing_id: 'a', version: '2' })
    await expect(noteThere('auditor')).rejects.toMatchObject({ code: 'forbidden', details: { missing: ['developer'] } })
    const seen: unknown[] = []
    for await (const { text } of edge.channels.stream('things', 'rondo.things.v1.Things/Watch', { from_start: true }, as('reporter'))) {
      seen.push(text)
      break
    }
    expect(seen).toEqual(['one'])
    expect(await (await fetch(`${edge.addresses.http}/hello`)).text()).toBe('hello')
  } finally {
    await edge.stop()
  }
})

test('a database that is not there is named with its variable', async () => {
  await expect(runServices([thingsService], { RONDO_DATABASE_URL: 'postgres://u:hush@127.0.0.1:1/x' })).rejects.toThrow(
    /127\.0\.0\.1:1|bus on PostgreSQL.*RONDO_DATABASE_URL/,
  )
})
