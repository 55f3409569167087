import { hash } from 'node:crypto'
import { DomainError } from '@rondo/kernel'
import type { CallLimit } from '@rondo/runtime'
import type { Redis } from 'ioredis'
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'

const windowMs = 1000
/** So many times in a second, at most, a process asks Redis for one caller: each time for some calls at once. */
const asksPerSecond = 20
/** Callers that are remembered between two of their calls. */
const mostCallers = 10_000

/** Calls of one caller in a second, over all replicas where Redis counts them. */
function limiterOf(perSecond: number, redis: Redis | undefined): RateLimiterAbstract {
  const options = { points: perSecond, duration: windowMs / 1000, keyPrefix: 'rondo:rate' }
  // Without Redis each replica counts for itself: more generous, never closed
  return redis
    ? new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: new RateLimiterMemory(options) })
    : new RateLimiterMemory(options)
}

/** By token, so that one caller does not take another's share; by address where there is none. The token itself is kept nowhere. */
const callerKey = (authorization: string | undefined, address: string): string =>
  authorization ? hash('sha256', authorization, 'base64url').slice(0, 22) : address

/** What a caller may still send without asking; what it is not used for within the second is given up. */
interface Allowance {
  calls: number
  until: number
  asking: Promise<void> | undefined
  refusedUntil: number
}

/**
 * At most so many calls of one caller in a second, whichever way they come. They are taken from the limiter by the handful, so that not
 * every call is a round trip to Redis; a handful that is not used up is lost to the other replicas until the second is over.
 */
export function callLimit(perSecond: number, redis: Redis | undefined): CallLimit {
  const limiter = limiterOf(perSecond, redis)
  const handful = Math.max(1, Math.floor(perSecond / asksPerSecond))
  const allowances = new Map<string, Allowance>()

  const tooMany = (ms: number) =>
    new DomainError(
      'rate_limited',
      `more than ${perSecond} calls in a second (RONDO_RATE_LIMIT): send batches, or try again in ${Math.ceil(ms)} ms`,
      { retry_after_ms: Math.ceil(ms) },
    )

  const ask = async (key: string, allowance: Allowance): Promise<void> => {
    const begun = performance.now()
    try {
      await limiter.consume(key, handful)
      allowance.calls += handful
      allowance.until = begun + windowMs
    } catch (rejected) {
      if (!(rejected instanceof RateLimiterRes)) throw rejected
      allowance.refusedUntil = performance.now() + rejected.msBeforeNext
    } finally {
      allowance.asking = undefined
    }
  }

  const take = async (key: string, allowance: Allowance): Promise<void> => {
    for (;;) {
      const at = performance.now()
      if (at < allowance.refusedUntil) throw tooMany(allowance.refusedUntil - at)
      if (takenFrom(allowance, at)) return
      allowance.asking ??= ask(key, allowance)
      await allowance.asking
    }
  }

  return ({ authorization, address }) => {
    const key = callerKey(authorization, address)
    const allowance = allowances.get(key) ?? { calls: 0, until: 0, asking: undefined, refusedUntil: 0 }
    allowances.delete(key)
    allowances.set(key, allowance)
    if (allowances.size > mostCallers) forgetOldest(allowances)
    return takenFrom(allowance, performance.now()) ? undefined : take(key, allowance)
  }
}

function takenFrom(allowance: Allowance, at: number): boolean {
  if (at >= allowance.until) allowance.calls = 0
  if (allowance.calls === 0) return false
  allowance.calls -= 1
  return true
}

function forgetOldest(allowances: Map<string, Allowance>): void {
  const [oldest] = allowances.keys()
  if (oldest !== undefined) allowances.delete(oldest)
}
