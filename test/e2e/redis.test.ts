import { eventually, freshDatabase, needs, ownEngine } from '@rondo/testkit'
import { expect, test } from 'vitest'
import { type Processes, startProcesses } from '../rig/processes.ts'
import { SseReader } from './sse.ts'

needs('postgres18', 'redis')

const items = 900
const isItem = ({ title }: { readonly title: string }) => title.startsWith('Feedback ')

/** Sent at a steady pace by few senders, so that Redis goes and comes while entries flow. */
async function submit(rondo: Processes, token: string, text: string): Promise<void> {
  const request = { item_id: '', service: 'shop', text, requester_id: '', contact: null, channel: '', version: '' }
  const { status, body } = await rondo.rpc('rondo.feedback.v1.Feedback/Submit', request, token)
  if (status !== 200) throw new Error(JSON.stringify(body))
}

test('two gateways share the live feed by Redis, and lose nothing when it is killed in mid-run', async () => {
  const redis = await ownEngine('redis')
  const rondo = await startProcesses({ RONDO_DATABASE_URL: await freshDatabase(), RONDO_REDIS_URL: redis.address }, { more: 1 })
  const gateways = rondo.all.filter(({ service }) => service === 'gateway')
  expect(gateways).toHaveLength(2)
  const barbara = await rondo.token('barbara@example.org', 'product_owner')
  const ci = await rondo.token('service:ci', 'reporter')
  const readers = gateways.flatMap(({ url }) =>
    ['', '?service=shop'].map((query) => new SseReader(`${url}/v1/feedback/stream${query}`, barbara)),
  )
  const logged = (text: string) => gateways.map(({ log }) => log.filter((line) => line.includes(text)).length)
  try {
    await Promise.all(readers.map(({ opened }) => opened))
    await eventually(
      async () => {
        await submit(rondo, ci, 'Is anybody there?')
        return readers.every(({ any }) => any > 0)
      },
      { within: 20_000, every: 200 },
    )
    // One of them reads for both, before anything happens to Redis
    await eventually(() => logged('publishes the live feed').toSorted().join() === '0,1', { within: 10_000 })

    let next = 1
    const sendUpTo = async (last: number) => {
      const sender = async () => {
        while (next <= last) await submit(rondo, ci, `Feedback ${next++}`)
      }
      await Promise.all(Array.from({ length: 4 }, sender))
    }
    await sendUpTo(items / 3)
    await Promise.all([sendUpTo((2 * items) / 3), redis.kill()])
    await eventually(() => logged('goes on without Redis').every((count) => count > 0), { within: 10_000 })
    await sendUpTo((5 * items) / 6)
    await Promise.all([sendUpTo(items), redis.start()])
    await eventually(() => readers.every(({ got }) => got.filter(isItem).length >= items), { within: 20_000 })
    await eventually(() => logged('publishes the live feed').reduce((sum, count) => sum + count, 0) > 1, { within: 15_000 })
    await submit(rondo, ci, 'Feedback at last')
    await eventually(() => readers.every(({ got }) => got.at(-1)?.title === 'Feedback at last'), { within: 10_000 })

    // What the ledger has, read in one go by somebody who was not there; each of the others has its end, from where it began
    const all = new SseReader(`${rondo.url}/v1/feedback/stream?from=start`, barbara)
    readers.push(all)
    await eventually(() => all.got.at(-1)?.title === 'Feedback at last', { within: 10_000 })
    const ids = all.got.map(({ entry_id }) => entry_id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(all.got.filter(isItem)).toHaveLength(items + 1)
    for (const { got, errors } of readers) {
      expect(got.map(({ entry_id }) => entry_id)).toEqual(ids.slice(-got.length))
      expect(got.filter(isItem)).toHaveLength(items + 1)
      expect(errors).toEqual([])
    }
  } finally {
    for (const reader of readers) reader.close()
    await rondo.end()
    await redis.stop()
  }
}, 120_000)
