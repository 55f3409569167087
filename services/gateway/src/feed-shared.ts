import { randomUUID } from 'node:crypto'
import type { Host } from '@rondo/runtime'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Entry, LiveListener, LiveSource } from './feed.ts'
import { Listeners, upstream } from './feed-live.ts'

const channel = 'rondo:feed'
const leaderKey = 'rondo:feed:leader'
const leaseMs = 3000
const beatMs = 1000

/** A message of the leader: an entry, or only that nothing was said since `last`. */
const message = z.object({ leader: z.string(), count: z.number().int(), entry: z.unknown().optional() })

/**
 * Live entries shared by gateway replicas: one of them (a lease in Redis) follows the feedback service and publishes, all listen. Publishing may lose
 * messages, so each carries the leader's count; a gap, another leader or silence makes the listeners go back to the ledger. Without Redis each replica follows by itself.
 */
export function sharedLive(host: Host, redis: Redis, authorization: () => string | undefined): LiveSource & { close(): void } {
  const id = randomUUID()
  const listeners = new Listeners()
  const subscriber = redis.duplicate()
  let heard = { leader: '', count: -1, at: 0 }
  let published = 0
  let leading = false
  let alone = false

  const send = (entry?: Entry) => {
    if (entry) published += 1
    const text = JSON.stringify({ leader: id, count: published, ...(entry ? { entry } : {}) })
    redis.publish(channel, text).catch((error) => host.log.debug({ err: error }, 'a live entry was not published'))
  }
  /** A count that nobody hears: whoever hears the next one knows that something is missing. */
  const skip = () => {
    published += 1
  }
  const own = upstream(
    host,
    authorization,
    (entry) => (leading ? send(entry) : listeners.entry(entry)),
    () => (leading ? skip() : listeners.broken()),
  )
  subscriber.on('message', (_, text) => {
    const { leader, count, entry } = message.parse(JSON.parse(text))
    const expected = heard.leader === leader && count === heard.count + (entry === undefined ? 0 : 1)
    heard = { leader, count, at: performance.now() }
    if (!expected) listeners.broken()
    else if (entry !== undefined && !alone) listeners.entry(entry as Entry)
  })
  subscriber.on('error', (error) => host.log.debug({ err: error }, 'Redis does not answer'))

  /** Follows by itself while Redis does not carry: then nothing comes from elsewhere. */
  const turn = (state: { leading: boolean; alone: boolean }) => {
    if (leading === state.leading && alone === state.alone) return
    ;({ leading, alone } = state)
    host.log.info(
      { leading, alone },
      alone ? 'the live feed goes on without Redis' : leading ? 'this replica publishes the live feed' : 'the live feed comes by Redis',
    )
    if (leading || alone) own.open()
    else own.close()
    listeners.broken()
  }
  const claim = async () => {
    try {
      const mine = (await redis.set(leaderKey, id, 'PX', leaseMs, 'NX')) === 'OK' || (await redis.get(leaderKey)) === id
      if (mine) await redis.pexpire(leaderKey, leaseMs)
      turn({ leading: mine, alone: false })
      if (mine) send()
      if (performance.now() - heard.at > leaseMs) listeners.broken()
    } catch (error) {
      host.log.debug({ err: error }, 'Redis does not answer')
      turn({ leading: false, alone: true })
    }
  }
  let beating: NodeJS.Timeout | undefined
  const begin = () => {
    if (beating) return
    subscriber.subscribe(channel).catch((error) => host.log.debug({ err: error }, 'Redis does not answer'))
    void claim()
    beating = setInterval(() => void claim(), beatMs)
  }
  const end = () => {
    clearInterval(beating)
    beating = undefined
    turn({ leading: false, alone: false })
  }
  return {
    listen(listener: LiveListener) {
      const remove = listeners.add(listener)
      begin()
      return () => {
        remove()
        if (listeners.size === 0) end()
      }
    },
    close() {
      end()
      subscriber.disconnect()
    },
  }
}
