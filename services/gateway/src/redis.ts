import type { Host } from '@rondo/runtime'
import { Redis } from 'ioredis'

/** Commands fail at once while Redis is away: everything that uses it can go on without. */
export function openRedis({ log }: Host, url: string): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
    commandTimeout: 1000,
    retryStrategy: (times) => Math.min(times * 100, 2000),
  })
  let away = false
  redis.on('error', (error) => {
    if (!away) log.warn({ err: error }, 'Redis does not answer: limits and the live feed go on within this process')
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info('Redis answers again')
    away = false
  })
  return redis
}
