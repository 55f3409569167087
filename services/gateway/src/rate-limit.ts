import { createHash } from 'node:crypto'
import { DomainError } from '@rondo/kernel'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'

/** Requests of one caller in a second, over all replicas where Redis counts them. */
function limiterOf(perSecond: number, redis: Redis | undefined): RateLimiterAbstract {
  const options = { points: perSecond, duration: 1, keyPrefix: 'rondo:rate' }
  // Without Redis each replica counts for itself: more generous, never closed
  return redis
    ? new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: new RateLimiterMemory(options) })
    : new RateLimiterMemory(options)
}

/** By token, so that one caller does not take another's share; by address where there is none. The token itself is kept nowhere. */
const callerKey = ({ headers, ip }: FastifyRequest): string =>
  headers.authorization ? createHash('sha256').update(headers.authorization).digest('base64url').slice(0, 22) : ip

export function limitRate(app: FastifyInstance, perSecond: number, redis: Redis | undefined): void {
  const limiter = limiterOf(perSecond, redis)
  app.addHook('onRequest', async (request, reply) => {
    try {
      await limiter.consume(callerKey(request))
    } catch (rejected) {
      if (!(rejected instanceof RateLimiterRes)) throw rejected
      reply.header('retry-after', String(Math.max(1, Math.ceil(rejected.msBeforeNext / 1000))))
      throw new DomainError(
        'rate_limited',
        `more than ${perSecond} requests in a second (RONDO_RATE_LIMIT): send batches, or try again in ${Math.ceil(rejected.msBeforeNext)} ms`,
      )
    }
  })
}
