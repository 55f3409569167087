import { randomUUID } from 'node:crypto'
import { loadProtos } from '@rondo/proto'
import { createChannels } from '@rondo/runtime'
import { eventually, freshDatabase, needs, ownEngine, sharedMissing } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { caseOf, step } from '../rig/case.ts'
import { type Processes, startProcesses } from '../rig/processes.ts'
import { startRondo } from '../rig/rondo.ts'
import { heldBy, inspected } from './memory.ts'
import { SseReader } from './sse.ts'
import { configure } from './topics.ts'

needs('postgres18', 'kafka', { also: sharedMissing('cases') })
/** Milliseconds; beside other tests on a small machine, and five thousand items one by one. */
const patience = 300_000

interface BatchedEvent {
  id: string
  readonly subject: string
  readonly data: { readonly context: { id: string }; readonly subject: { readonly content: { url: string } } }
}

test(
  '33-kafka-batch-larger-than-broker-takes: what fits goes, what does not is refused alone',
  async () => {
    const kafka = await ownEngine('kafka')
    const rondo = await startRondo({ env: { RONDO_KAFKA_BROKERS: kafka.address } })
    try {
      const { steps } = caseOf('33-kafka-batch-larger-than-broker-takes')
      const [, post, list, metrics] = steps
      if (!post || !list || !metrics) throw new Error('the case has other steps')
      await configure(kafka.address, ['rondo.intake.v1', 'rondo.builds.v1'], 'max.message.bytes', '8192')

      const first = await step(rondo, post)
      expect(first.status).toBe(202)
      expect(first.body.results.map((one: { status: string }) => one.status)).toEqual(Array.from({ length: 12 }, () => 'accepted'))
      const ids = Array.from({ length: 12 }, (_, index) => `big-${String(index).padStart(2, '0')}`)
      const listed = await eventually(
        async () => {
          const { body } = await step(rondo, { ...list, body: { ...(list.body as object), order: 'occurred_at' } })
          return body.builds?.length === 12 && body.builds
        },
        { within: 30_000 },
      )
      expect(
        listed
          .map((one: { build_id: string; subject?: string }) => JSON.stringify(one))
          .map((text: string) => ids.find((id) => text.includes(id))),
      ).toEqual(ids)
      const text = (await step(rondo, metrics)).body as string
      expect(Number(/^rondo_relay_delay\S*\{service="builds".*\} (\S+)$/m.exec(text)?.[1])).toBeLessThan(5)

      const enlarged = (structuredClone(post.body) as BatchedEvent[]).map((event, index) => {
        event.id = randomUUID()
        event.data.context.id = event.id
        if (index === 6) event.data.subject.content.url += 'x'.repeat(18_000)
        return event
      })
      const { status, body } = await step(rondo, { ...post, body: enlarged })
      expect(status).toBe(202)
      expect(body.results.map((one: { status: string }) => one.status)).toEqual(
        Array.from({ length: 12 }, (_, index) => (index === 6 ? 'refused' : 'accepted')),
      )
      expect(body.results[6]).toMatchObject({ code: 'too_large' })
      const [size, limit] = [...body.results[6].message.matchAll(/takes (\d+)/g)].map(([, digits]) => Number(digits))
      expect(size).toBeGreaterThan(20_000)
      expect(limit).toBeGreaterThan(8000)
      expect(limit).toBeLessThanOrEqual(8192)

      await rondo.settled()
      for (const result of body.results.filter((one: { status: string }) => one.status === 'accepted'))
        expect(
          (await rondo.send('GET', result.receipt, { headers: { authorization: `Bearer ${await rondo.token('admin', 'admin')}` } })).body
            .outcome,
        ).toBe('applied')
      // Neither intake nor the relay tries the impossible again and again
      expect(rondo.log.filter((line) => /TOO_LARGE|too_large|larger than/i.test(line)).length).toBeLessThan(6)
    } finally {
      await rondo.stop()
      await kafka.stop()
    }
  },
  patience,
)

const itemShape = z.object({ entry_id: z.string(), title: z.string() })
type Item = z.infer<typeof itemShape>
const isItem = ({ title }: Item) => title.startsWith('Feedback ')
const items = 5000
const warmItems = 500
/** As the case has it, and long enough that a slow reader's connection is full. */
const textOf = (index: number) => `Feedback ${index}: totals are wrong on page ${index}. ${`${index} `.repeat(3)}\n${'·'.repeat(4000)}`

/** A gRPC subscriber at the edge that reads when it is let. */
function subscribed(rondo: Processes, token: string) {
  const channels = createChannels(loadProtos(), () => rondo.one('gateway').grpc)
  const request = { service: 'shop', kinds: [], requirement_id: '', cursor: '', from: 'now', until_head: false }
  const stream = channels.stream('feedback', 'rondo.feedback.v1.Feedback/Subscribe', request, { authorization: `Bearer ${token}` })
  const read = stream[Symbol.asyncIterator]()
  const got: Item[] = []
  return {
    got,
    /** Resolves when something, of whatever kind, was read. */
    begun: () => read.next(),
    async upTo(count: number): Promise<void> {
      while (got.length < count) {
        const { value, done } = await read.next()
        if (done) throw new Error(`the stream ended after ${got.length}`)
        const item = itemShape.parse(value)
        if (isItem(item)) got.push(item)
      }
    },
    close: () => channels.close(),
  }
}

async function submit(rondo: Processes, token: string, text: string): Promise<void> {
  const request = { item_id: '', service: 'shop', text, requester_id: '', contact: null, channel: '', version: '' }
  const { status, body } = await rondo.rpc('rondo.feedback.v1.Feedback/Submit', request, token)
  if (status !== 200) throw new Error(JSON.stringify(body))
}

/** As fast as they are taken. */
async function submitAll(rondo: Processes, token: string, from: number, to: number): Promise<void> {
  let next = from
  const sender = async () => {
    while (next <= to) await submit(rondo, token, textOf(next++))
  }
  await Promise.all(Array.from({ length: 64 }, sender))
}

test(
  '34-grpc-slow-reader-loses-nothing: neither over gRPC nor over SSE',
  async () => {
    const rondo = await startProcesses({ RONDO_DATABASE_URL: await freshDatabase(), ...inspected })
    const barbara = await rondo.token('barbara@example.org', 'product_owner')
    const ci = await rondo.token('service:ci', 'reporter')
    const [slow, fast] = [subscribed(rondo, barbara), subscribed(rondo, barbara)]
    const stream = `${rondo.url}/v1/feedback/stream?service=shop`
    const [slowSse, fastSse] = [new SseReader(stream, barbara, isItem), new SseReader(stream, barbara, isItem)]
    try {
      await Promise.all([slowSse.opened, fastSse.opened])
      // "From now" is where each begins: it has begun when it has read something
      let begun = false
      void Promise.all([slow.begun(), fast.begun()]).then(() => {
        begun = true
      })
      await eventually(
        async () => {
          await submit(rondo, ci, 'Is anybody there?')
          return begun && slowSse.any > 0 && fastSse.any > 0
        },
        { within: 10_000, every: 200 },
      )
      const gateway = rondo.one('gateway')
      const all = () => [slow.got, fast.got, slowSse.got, fastSse.got].map(({ length }) => length)
      // First all of them read: what the gateway takes for the traffic itself is then known
      const warm = [slow.upTo(warmItems), fast.upTo(items)] as const
      await submitAll(rondo, ci, 1, warmItems)
      await warm[0]
      await eventually(() => all().every((count) => count >= warmItems), { within: 20_000 })
      const usual = await heldBy(gateway)
      slowSse.pause()
      await submitAll(rondo, ci, warmItems + 1, items)
      await warm[1]
      await eventually(() => fastSse.got.length === items, { within: 20_000 })
      const loaded = await heldBy(gateway)
      expect(slow.got.length, 'the slow one has read nothing meanwhile').toBe(warmItems)
      expect(slowSse.got.length, 'nor has the slow one over SSE').toBeLessThan(items)
      expect(loaded - usual, 'bytes for slow readers').toBeLessThan(12e6)
      slowSse.resume()
      await slow.upTo(items)
      await eventually(() => slowSse.got.length === items, { within: 30_000 })
      expect((await heldBy(gateway)) - usual, 'bytes when they have caught up').toBeLessThan(4e6)
      const wanted = fast.got.map(({ entry_id }) => entry_id)
      expect(new Set(wanted).size).toBe(items)
      for (const { got } of [slow, slowSse, fastSse]) expect(got.map(({ entry_id }) => entry_id)).toEqual(wanted)
      expect([slowSse.errors, fastSse.errors]).toEqual([[], []])
    } finally {
      for (const one of [slow, fast, slowSse, fastSse]) one.close()
      await rondo.end()
    }
  },
  patience,
)
