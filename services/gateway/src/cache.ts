import type { Redis } from 'ioredis'

/**
 * A text that may be `ttlMs` old, kept in Redis for all replicas. Where Redis is away, or there is none, it is made anew each time;
 * what cannot be made is not kept.
 */
export async function cached(redis: Redis | undefined, key: string, ttlMs: number, make: () => Promise<string>): Promise<string> {
  if (!redis) return make()
  // Away: `openRedis` says so once, and every command fails at once
  const kept = await redis.get(key).catch(() => null)
  if (kept !== null) return kept
  const made = await make()
  // Not kept: the next one makes it again
  await redis.set(key, made, 'PX', ttlMs).catch(() => null)
  return made
}
