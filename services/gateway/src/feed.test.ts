import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Entry, type Feed, type LiveListener, subscribed, wants } from './feed.ts'

const entry = (place: number, service = 'shop'): Entry => ({
  cursor: String(place),
  entry_id: `entry-${place}`,
  kind: 'feedback',
  service,
  title: '',
  text: '',
  requirement_id: '',
  phase: '',
  about: '',
  occurred_at: '',
})

/** A ledger with a live side that may lose what it is told to, and says so afterwards. */
function ledger() {
  const stored: Entry[] = []
  const listeners = new Set<LiveListener>()
  const all = { service: '', kinds: [], requirement_id: '' }
  const feed: Feed = {
    live: {
      listen(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    head: async () => String(stored.length),
    isBehind: (cursor, other) => Number(cursor) > Number(other),
    backlog: async function* (request) {
      const head = stored.length
      for (let at = Number(request.cursor || 0); at < head; at++) {
        const one = stored[at]
        if (one && wants({ ...all, service: request.service }, one)) yield one
      }
    },
  }
  return {
    feed,
    publish(lost: boolean, service?: string) {
      const one = entry(stored.length + 1, service)
      stored.push(one)
      for (const listener of listeners) lost ? listener.broken() : listener.entry(one)
    },
    stored,
    listeners,
  }
}
const request = { service: '', kinds: [], requirement_id: '', cursor: '', from: 'start', until_head: false }

async function take(entries: AsyncIterator<Entry>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const { value, done } = await entries.next()
    if (done) break
    taken.push(value.entry_id)
  }
  return taken
}

test('whatever the live side loses, a subscriber gets every entry once and in order', async () => {
  const step = fc.oneof(fc.record({ publish: fc.boolean() }), fc.record({ read: fc.integer({ min: 1, max: 5 }) }))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { feed, publish, stored } = ledger()
      const stop = new AbortController()
      const entries = subscribed(feed, request, stop.signal)
      const got: string[] = []
      for (const one of steps) {
        if ('publish' in one) publish(one.publish)
        else got.push(...(await take(entries, Math.min(one.read, stored.length - got.length))))
      }
      got.push(...(await take(entries, stored.length - got.length)))
      stop.abort()
      await entries.return(undefined)
      expect(got).toEqual(stored.map(({ entry_id }) => entry_id))
    }),
    { numRuns: 200 },
  )
})

test('a reader that sleeps through 5,000 entries loses none, and no more than a bounded number waits for it', async () => {
  const { feed, publish, stored } = ledger()
  const stop = new AbortController()
  const entries = subscribed(feed, { ...request, from: 'now' }, stop.signal)
  const first = entries.next()
  await Promise.resolve()
  for (let sent = 0; sent < 5000; sent++) publish(false)
  const got = [(await first).value?.entry_id, ...(await take(entries, 4999))]
  expect(got).toEqual(stored.map(({ entry_id }) => entry_id))
  stop.abort()
})

test('it stops listening when the subscriber goes', async () => {
  const { feed, publish, listeners } = ledger()
  const stop = new AbortController()
  const entries = subscribed(feed, { ...request, service: 'shop' }, stop.signal)
  publish(false, 'other')
  publish(false)
  expect(await take(entries, 1)).toEqual(['entry-2'])
  expect(listeners.size).toBe(1)
  stop.abort()
  await entries.next()
  expect(listeners.size).toBe(0)
})

test('what was read from the ledger already does not come again when it comes live, later', async () => {
  const { feed, publish, stored, listeners } = ledger()
  const gone = new AbortController()
  const entries = subscribed(feed, request, gone.signal)
  publish(false)
  publish(false)
  expect(await take(entries, 2)).toEqual(['entry-1', 'entry-2'])
  const third = entries.next()
  for (const listener of listeners) for (const one of stored) listener.entry(one)
  publish(false)
  expect((await third).value.entry_id).toBe('entry-3')
  gone.abort()
})
