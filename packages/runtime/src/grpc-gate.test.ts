import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'

import { eventually } from '@rondo/testkit/eventually'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testProtos } from '../test/services.ts'
import { Admission } from './admission.ts'
import { methodsOf, serviceDefinition } from './grpc-definition.ts'
import { createGrpcHost } from './grpc-host.ts'
import { createMetrics } from './metrics.ts'

const name = 'rondo.counts.v1.Counts'
const service = testProtos().lookupService(name)
const get = methodsOf(service).get('Get')?.name ?? ''

/** What the handler was called for and has not answered yet. */
const asked: (() => void)[] = []
/** How often a caller's rate was asked for: for who is refused ahead of the library it is not. */
let rates = 0
let admission: Admission
let session: ClientHttp2Session
let stop: () => Promise<void>

beforeAll(async () => {
  const limit = () => {
    rates += 1
    return undefined
  }
  const gate = {
    limit,
    admission: { enter: (bytes: number) => admission.enter(bytes), refusal: () => admission.refusal() },
    metrics: createMetrics(),
    within: '',
  }
  const host = createGrpcHost(testProtos(), gate)
  const Get = (_: unknown, answer: (error: null, value: object) => void) => void asked.push(() => answer(null, { notes: '1' }))
  host.addRaw(name, serviceDefinition(service), { Get })
  session = connect(`http://127.0.0.1:${await host.listen('127.0.0.1', 0)}`)
  stop = () => host.stop(1000)
  // All protos are read
}, 60_000)
afterAll(async () => {
  session.close()
  await stop()
})
beforeEach(() => {
  admission = new Admission({ now: () => 0 })
  asked.length = 0
  rates = 0
})

/** The head of a call; its request is still to come. */
function begun(): ClientHttp2Stream {
  const stream = session.request({ ':method': 'POST', ':path': `/${get}`, 'content-type': 'application/grpc', te: 'trailers' })
  return stream.on('error', () => undefined).resume()
}
/** A request without a field, and with so many bytes that are no field of it. */
const request = (bytes = 0) => Buffer.concat([Buffer.from([0, ...[24, 16, 8, 0].map((by) => (bytes >> by) & 255)]), Buffer.alloc(bytes)])
const underWay = (calls: number) => eventually(async () => admission.standing.underWay === calls, { within: 5000 })
const handling = (calls: number) => eventually(async () => asked.length === calls, { within: 5000 })
const fill = () => Array.from({ length: admission.standing.limit }, () => admission.enter(0))

test('who is refused is told so before its request is read, and when to try again', async () => {
  const [place] = fill()
  const [heads] = await once(begun(), 'response')
  expect(heads).toMatchObject({ 'grpc-status': '14' })
  expect(decodeURI(heads['grpc-message'])).toMatch(/nothing was done, try again in \d+ ms/)
  expect(heads['grpc-status-details-bin']).toBeTypeOf('string')
  expect(rates).toBe(0)
  place?.leave()
  begun().end(request())
  await handling(1)
  expect(rates).toBe(1)
})

test('a call is under way from its head until it was answered', async () => {
  const call = begun()
  await underWay(1)
  call.end(request())
  await handling(1)
  expect(admission.standing.underWay).toBe(1)
  asked[0]?.()
  const [trailers] = await once(call, 'trailers')
  expect(trailers).toMatchObject({ 'grpc-status': '0' })
  expect(admission.standing.underWay).toBe(0)
})

test('who goes before the request was there leaves its place; what is worked on keeps it, whether or not somebody waits', async () => {
  const early = begun()
  // Some of it is there
  early.write(request(1000).subarray(0, 500))
  await underWay(1)
  early.close(constants.NGHTTP2_INTERNAL_ERROR)
  await underWay(0)
  const late = begun().end(request())
  await handling(1)
  late.close(constants.NGHTTP2_CANCEL)
  await once(late, 'close')
  // Behind it on the same connection: by then the other end knows
  const next = begun().end(request())
  await handling(2)
  expect(admission.standing.underWay).toBe(2)
  for (const answer of asked) answer()
  await once(next, 'trailers')
  expect(admission.standing.underWay).toBe(0)
})

test('bytes of requests are counted as they come', async () => {
  const held = admission.enter(63 << 20)
  const [heads] = await once(begun().end(request(2 << 20)), 'response')
  expect(heads).toMatchObject({ 'grpc-status': '14' })
  await underWay(1)
  held.leave()
  begun().end(request(2 << 20))
  await handling(1)
})
